"""The exposure triangle: ISO, f-number and shutter speed that together expose a scene rightly."""

from typing import Any

from robust.errors import check
from robust.perturb.camera.camera import Camera
from robust.perturb.camera.exposure import Exposure, lit
from robust.perturb.camera.profile import METERED, is_finite

_DAYLIGHT = 1000.0  # lux, in a room by the window


class Triangle(Camera):
    """All that a camera does at an ISO and an f-number, the shutter open as long as the light then needs: `triangle`.

    Pictures are equally bright at all of them: a higher ISO brings noise, a smaller f-number a scene out of focus, and
    less of both a longer movement. `lux` and f-number are part of the name. Raises ValueError as `Camera`, and for a
    shutter speed that is given.
    """

    name = "triangle"

    def __init__(
        self,
        *,
        iso: float,
        lux: float | None = None,
        f_number: float | None = None,
        shutter: float | str | None = None,
        widest: float = 1.8,
        **settings: Any,
    ):
        light = _DAYLIGHT if lux is None else lux
        check("lux", light, "a number above 0", is_finite(light) and light > 0)
        check("shutter", shutter, "left out: ISO, f-number and light say it", shutter is None)
        opened = Exposure(iso, widest if f_number is None else f_number, 1)
        suits = shutter_of(opened.iso, opened.f_number, light)
        super().__init__(iso=iso, f_number=opened.f_number, shutter=suits, widest=widest, **settings)
        self.name = f"{self.name} {light:g} lux f/{opened.f_number:g}"


def shutter_of(iso: float, f_number: float, lux: float) -> float:
    """For how many seconds a shutter must be open, at an ISO and an f-number, under so many lux."""
    return METERED / iso / lit(lux, f_number, 1)
