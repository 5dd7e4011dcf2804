"""ISO, f-number and shutter speed, and the light that they suit."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from robust.errors import check
from robust.perturb.camera.profile import GREY, METERED, Sensor
from robust.values.numbers import is_number

_LENS = 0.65  # of the light of the scene, less what the lens and its corners lose (ISO 2720)


@dataclass(frozen=True)
class Exposure:
    """How a picture is exposed: ISO, f-number, and how many seconds the shutter is open. Raises ValueError for numbers
    that are none, or not above 0."""

    iso: float
    f_number: float
    shutter: float

    def __post_init__(self) -> None:
        for name in ("iso", "f_number", "shutter"):
            value = getattr(self, name)
            fits = is_number(value) and math.isfinite(value) and value > 0
            check(name, value, "a number above 0", fits)

    @property
    def title(self) -> str:
        """How it is written: ISO 250, f/5, 1/60 s."""
        return f"ISO {self.iso:.0f}, f/{self.f_number:g}, {written(self.shutter)} s"

    @classmethod
    def of(cls, title: str) -> "Exposure | None":
        """The exposure that a text begins with; None where it begins with something else."""
        found = re.match(r"ISO ([\d.]+), f/([\d.]+), ([\d./]+) s\b", title)
        return None if found is None else cls(float(found[1]), float(found[2]), seconds(found[3]))

    def brightness(self, lux: float) -> float:
        """How bright a scene under so many lux becomes, of how bright it is metered to be: 1 where that is right."""
        return lit(lux, self.f_number, self.shutter) * self.iso / METERED


def lit(lux: float, f_number: float, seconds: float) -> float:
    """The exposure of the sensor, lux seconds, by a grey of 18 % under so many lux."""
    return _LENS * lux * GREY / math.pi * seconds / f_number**2


def written(seconds: float) -> str:
    """A shutter speed as people write it: 1/60."""
    return f"1/{round(1 / seconds)}" if seconds <= 1 / 4 else f"{seconds:.3g}"


def seconds(shutter: float | str) -> float:
    """A shutter speed as people write it, such as 1/60, in seconds. Raises ValueError for what is none."""
    try:
        value = float(Fraction(shutter)) if isinstance(shutter, str) else float(shutter)
    except (ValueError, ZeroDivisionError, TypeError, OverflowError):
        value = math.nan
    check("shutter", shutter, "seconds above 0, such as 0.01 or 1/60", math.isfinite(value) and value > 0)
    return value


def metered(lux: float, sensor: Sensor, *, f_number: float, slowest: float, highest: float) -> Exposure:
    """What a camera's programme sets for so many lux: the base ISO, and the shutter open as long as that needs, but not
    longer than `slowest`, in seconds; then a higher ISO, up to the `highest`; then the shutter longer after all."""
    check("lux", lux, "a number above 0", is_number(lux) and math.isfinite(lux) and lux > 0)
    check("highest", highest, f"at least the base ISO, {sensor.base_iso:g}", highest >= sensor.base_iso)
    second = lit(lux, f_number, 1)
    at_base = METERED / sensor.base_iso / second
    if at_base <= slowest:
        return Exposure(sensor.base_iso, f_number, at_base)
    iso = min(METERED / (second * slowest), highest)
    return Exposure(iso, f_number, METERED / iso / second)
