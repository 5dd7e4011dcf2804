"""What a camera is made of: its sensor, by the numbers of a data sheet, and its lens."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from robust.errors import ParameterError, check
from robust.values.numbers import is_number

#: photons of daylight on a square micrometre for each lux second (as the photon noise of libjxl and libaom has it)
PHOTONS = 11_260.0
#: the grey that meters are set to, of white, and the exposure, lux seconds, times the ISO, that makes it (ISO 12232)
GREY, METERED = 0.18, 10.0
_WARMER = 7.0  # degrees by which dark current doubles
_ROOM = 25.0  # degrees Celsius, of data sheets


Part = TypeVar("Part")


@dataclass(frozen=True)
class Sensor:
    """A sensor. Every number is of one native pixel; electrons where nothing else is said.

    Raises ValueError, by the number's name, for one that no sensor has.
    """

    #: micrometres, the side of a pixel
    pitch: float
    #: electrons that a photon sets free, through the lens's glass and the colour filters
    efficiency: float = 0.2
    #: noise of reading a pixel, and what a whole row gets alike: standard deviations
    read_noise: float = 3.0
    row_noise: float = 0.0
    #: by how much pixels differ in what they make of the same light: standard deviation, a fraction
    gain_spread: float = 0.005
    #: electrons a second at 25 degrees Celsius; and of hot pixels, their share of all and how many those have
    dark_current: float = 0.1
    hot_share: float = 1e-5
    hot_current: float = 500.0
    #: of the converter
    bits: int = 12
    #: the least ISO there is
    base_iso: float = 100.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("pitch", "efficiency", "base_iso"):
                check(one.name, value, "a number above 0", is_finite(value) and value > 0)
            elif one.name == "bits":
                check(one.name, value, "a whole number from 1 to 24", value in range(1, 25))
            else:
                check(one.name, value, "a number of at least 0", is_finite(value) and value >= 0)
        check("efficiency", self.efficiency, "at most 1", self.efficiency <= 1)
        check("hot_share", self.hot_share, "at most 1", self.hot_share <= 1)

    def electrons(self, iso: float) -> float:
        """How many make white at this ISO, where the picture is exposed as a meter says."""
        return self.efficiency * PHOTONS * self.pitch**2 * METERED / iso / GREY

    def dark(self, current: float, seconds: float, temperature: float) -> float:
        """Electrons that a current, of 25 degrees, frees without light in so long, at so many degrees Celsius."""
        return current * seconds * 2 ** ((temperature - _ROOM) / _WARMER)


@dataclass(frozen=True)
class Lens:
    """A lens: focal length, millimetres; the distance, metres, at which it is focused. Raises ValueError for others."""

    focal_length: float
    focus: float

    def __post_init__(self) -> None:
        for name in ("focal_length", "focus"):
            value = getattr(self, name)
            check(name, value, "a number above 0", is_finite(value) and value > 0)
        check("focus", self.focus, "further than the focal length, in metres", 1000 * self.focus > self.focal_length)

    def circle(self, f_number: float, distance: float) -> float:
        """The diameter, micrometres, of what a point so many metres away becomes on the sensor (a thin lens)."""
        focus, away = 1000 * self.focus, 1000 * distance
        magnified = self.focal_length / (focus - self.focal_length)
        return 1000 * self.focal_length / f_number * abs(away - focus) / away * magnified

    def moved(self, speed: float, seconds: float, distance: float) -> float:
        """How far, micrometres, something moves on the sensor that goes across at so many metres a second."""
        return 1000 * speed * seconds * self.focal_length / distance


def sensor_of(*, pitch: float, electrons: float, quantum_efficiency: float, gain: float, dark_noise: float) -> Sensor:
    """A sensor from the numbers of an EMVA 1288 data sheet: the saturation capacity, electrons; the quantum efficiency;
    the system gain, grey levels an electron; the temporal dark noise, electrons.

    At its base ISO white fills its pixels, and its converter tells as many levels as these are.
    """
    given = {"pitch": pitch, "electrons": electrons, "quantum_efficiency": quantum_efficiency, "gain": gain}
    for name, value in given.items():
        check(name, value, "a number above 0", is_finite(value) and value > 0)
    check("dark_noise", dark_noise, "a number of at least 0", is_finite(dark_noise) and dark_noise >= 0)
    check("quantum_efficiency", quantum_efficiency, "at most 1", quantum_efficiency <= 1)
    bits = max(1, math.ceil(math.log2(gain * electrons)))
    iso = quantum_efficiency * PHOTONS * pitch**2 * METERED / GREY / electrons
    return Sensor(pitch=pitch, efficiency=quantum_efficiency, read_noise=dark_noise, bits=min(bits, 24), base_iso=iso)


def is_finite(value: object) -> bool:
    """Whether it is a number, and neither NaN nor infinite."""
    return is_number(value) and math.isfinite(value)  # type: ignore[arg-type]


def made(make: Callable[..., Part], name: str, numbers: Mapping[str, Any]) -> Part:
    """A part of a camera from its numbers. Raises ParameterError, by `name`, for one that is missing, or none of it."""
    known = inspect.signature(make).parameters
    for number in numbers:
        check(f"{name}.{number}", number, f"among {', '.join(known)}", number in known)
    for number, one in known.items():
        check(f"{name}.{number}", None, "given", one.default is not one.empty or number in numbers)
    try:
        return make(**numbers)
    except ParameterError as error:
        raise ParameterError(f"{name}.{error.args[0]}", *error.args[1:]) from error
