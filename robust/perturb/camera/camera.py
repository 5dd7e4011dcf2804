"""A camera in physical units: what ISO, aperture and shutter speed, the scene's light and movement make of a picture.

From light to picture and no further: an image in [0, 1], in sRGB, is the scene; what comes back is the raw picture of a
sensor that sees all colours in every pixel, in sRGB again. Nothing takes noise away, sharpens or stores as JPEG, and
colours are not mixed anew.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robust.errors import check
from robust.perturb.base import Perturbation
from robust.perturb.camera.exposure import Exposure, metered, seconds
from robust.perturb.camera.optics import WAVELENGTH, blurred
from robust.perturb.camera.profile import Lens, Sensor, is_finite, made, sensor_of
from robust.perturb.camera.tone import encoded, linear
from robust.perturb.corruptions.corruption import as_if_left
from robust.perturb.families import operations
from robust.perturb.photons import COUNTABLE, counted, counted_and_read
from robust.perturb.random import ImageRandom

_OPERATIONS = {"noise": "iso", "rows": "row_noise", "hot": "hot", "focus": "defocus", "movement": "shutter"}
_SMOOTH = 1.0  # variance of reading, electrons squared, from which on single photons do not show


class Camera(Perturbation):
    """A scene through lens and sensor: out of focus, blurred by the aperture and by movement, with the noise of
    photons, of reading, of rows and of pixels that differ, hot pixels, clipped, and in whole steps: `camera`.

    `sensor` and `lens` are their numbers: those of `Sensor`, or of an EMVA data sheet (`sensor_of`), and of `Lens`;
    `profile` is what the camera is called, and with it part of the name. `iso`, `f_number` and `shutter`, in seconds or
    such as "1/60", say how it is exposed; left out, they are the sensor's base ISO, `widest` and `slowest`. The scene
    is as bright as suits them; with `lux` as bright as so much light makes it, and what is left out of the three is set
    as a camera's programme does, up to the ISO `highest`. `native_pixels` are how many of the sensor's make one of the
    image: the same ISO means nothing without it. The scene is `distance` metres away and goes across at `speed` metres
    a second, in each image in a direction of its own; the sensor has a `temperature` in degrees Celsius.

    Images are floating-point in [0, 1], shape (batch, channels, height, width). The gradient is that of the mean of
    what is counted, and of leaving whole steps. Pixels that differ, and hot ones, are the same in all images. Raises
    ValueError for numbers that no camera has, an ISO below the sensor's, less than one native pixel, and a scene nearer
    than the lens is long.
    """

    name = "camera"
    values_at_a_time = 3 << 16  # 768 KiB: with what is made of them they stay in the cache
    #: what of it is done: noise, rows, hot, focus, movement
    parts: tuple[str, ...] = ("noise", "rows", "hot", "focus", "movement")

    def __init__(
        self,
        *,
        sensor: Mapping[str, Any],
        lens: Mapping[str, Any],
        native_pixels: float,
        iso: float | None = None,
        f_number: float | None = None,
        shutter: float | str | None = None,
        lux: float | None = None,
        widest: float = 1.8,
        slowest: float | str = "1/60",
        highest: float = 25_600,
        distance: float = 2.0,
        speed: float = 0.0,
        temperature: float = 25.0,
        profile: str = "",
    ):
        super().__init__()
        self.sensor = made(sensor_of if "quantum_efficiency" in sensor else Sensor, "sensor", sensor)
        self.lens = made(Lens, "lens", lens)
        for name, value, least in (("native_pixels", native_pixels, 1), ("speed", speed, 0)):
            check(name, value, f"a number >= {least}", is_finite(value) and value >= least)
        check(
            "temperature",
            temperature,
            "degrees Celsius, -60 to 120",
            is_finite(temperature) and abs(temperature - 30) <= 90,
        )
        near = 0.001 * self.lens.focal_length
        check(
            "distance", distance, f"metres, above the focal length, {near:g}", is_finite(distance) and distance > near
        )
        self.native_pixels, self.distance = float(native_pixels), float(distance)
        self.speed, self.temperature = float(speed), float(temperature)
        self.exposure = self._exposed(iso, f_number, shutter, lux, widest, seconds(slowest), highest)
        self.brightness = 1.0 if lux is None else self.exposure.brightness(lux)
        self.level = self.exposure.iso
        if profile:
            self.name = f"{type(self).name}@{profile}_{self.native_pixels:g}"

    @property
    def settled(self) -> str:
        about = (self.sensor, self.lens, self.exposure, self.brightness, self.native_pixels, self.distance, self.speed)
        return repr((*about, self.temperature))

    def _exposed(
        self,
        iso: float | None,
        f_number: float | None,
        shutter: float | str | None,
        lux: float | None,
        widest: float,
        slowest: float,
        highest: float,
    ) -> Exposure:
        base, given = self.sensor.base_iso, None if shutter is None else seconds(shutter)
        usual = Exposure(base if iso is None else iso, widest if f_number is None else f_number, given or slowest)
        check("iso", usual.iso, f"at least the sensor's base ISO, {base:g}", usual.iso >= base)
        if lux is None:
            return usual
        found = metered(lux, self.sensor, f_number=usual.f_number, slowest=usual.shutter, highest=highest)
        return Exposure(found.iso if iso is None else iso, usual.f_number, found.shutter if given is None else given)

    @property
    def made_of(self) -> Mapping[str, str]:
        return operations(*(_OPERATIONS[part] for part in self.parts))

    @property
    def electrons(self) -> float:
        """How many make white in a pixel of the image."""
        return self.native_pixels * self.sensor.electrons(self.exposure.iso)

    @property
    def _dark_noise(self) -> float:
        """The variance, electrons squared, of what a pixel of the image says without light."""
        sensor, exposure = self.sensor, self.exposure
        native = sensor.read_noise**2 + sensor.dark(sensor.dark_current, exposure.shutter, self.temperature)
        if self.native_pixels > 1:  # steps of many pixels, averaged, are noise like any other
            native += (sensor.electrons(exposure.iso) / (2**sensor.bits - 1)) ** 2 / 12
        return native * self.native_pixels

    def spread(self, light: float) -> float:
        """The standard deviation of light, 1 of which is white, by photons, reading and pixels that differ."""
        counted = math.sqrt(light * self.electrons + self._dark_noise) / self.electrons
        return math.hypot(counted, light * self.sensor.gain_spread / math.sqrt(self.native_pixels))

    @property
    def radius(self) -> float:
        """Pixels of the image, of the disk that a point becomes out of focus."""
        return self._pixels(self.lens.circle(self.exposure.f_number, self.distance)) / 2

    @property
    def cutoff(self) -> float:
        """Cycles a pixel of the image, above which the aperture lets nothing through."""
        return 1 / self._pixels(WAVELENGTH * self.exposure.f_number)

    @property
    def length(self) -> float:
        """Pixels of the image, of the way that the scene goes while the shutter is open."""
        return self._pixels(self.lens.moved(self.speed, self.exposure.shutter, self.distance))

    def _pixels(self, micrometres: float) -> float:
        return micrometres / (self.sensor.pitch * math.sqrt(self.native_pixels))

    @property
    def _counts(self) -> bool:
        """Whether photons are so few, and read so well, that they are counted one by one."""
        return self.electrons <= COUNTABLE and self._dark_noise < _SMOOTH

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """What is drawn for each image, and `pattern` and `hot` for all of them: how much pixels differ, and how much
        more than usual hot ones have of dark current."""
        wanted = {
            "noise": math.prod(shape) if "noise" in self.parts else 0,
            "rows": shape[1] if "rows" in self.parts and self.sensor.row_noise else 0,
            "angle": 2 if "movement" in self.parts and self.length else 0,
        }
        sizes = {name: size for name, size in wanted.items() if size}
        drawn: dict[str, Tensor] = {}
        if sizes:  # one draw for all three: one of few numbers takes as long as one of many
            values = random.quick_normal(sum(sizes.values())).split(list(sizes.values()), dim=1)
            drawn = dict(zip(sizes, values, strict=True))
        if "noise" in drawn:
            drawn["noise"] = drawn["noise"].view(-1, *shape)
            if self._counts:
                drawn["words"] = random.words(*shape)
        if "rows" in drawn:
            drawn["rows"] = drawn["rows"][:, None, :, None]
        if "angle" in drawn:  # two normal values point in every direction alike
            drawn["angle"] = torch.atan2(*drawn["angle"].T)
        share = 1 - (1 - self.sensor.hot_share) ** self.native_pixels
        alike = (random.key, shape, share, random.device)
        if "noise" in self.parts and self.sensor.gain_spread:
            drawn["pattern"] = _fixed(*alike)[0]
        if "hot" in self.parts and self.sensor.hot_share and self.sensor.hot_current:
            drawn["hot"] = _fixed(*alike)[1]
        return drawn

    def apply_transform(self, images: Tensor, *_: Any, angle: Tensor | None = None, **drawn: Tensor) -> Tensor:
        light = linear(images.to(torch.promote_types(images.dtype, torch.float32)))
        if "focus" in self.parts or angle is not None:
            sharp = {} if "focus" not in self.parts else {"radius": self.radius, "cutoff": self.cutoff}
            light = blurred(light, **sharp, length=0.0 if angle is None else self.length, angle=angle)
        return encoded(self._read(self.brightness * light, **drawn).clamp(0, 1)).to(images.dtype)

    def _read(
        self,
        light: Tensor,
        *,
        noise: Tensor | None = None,
        words: Tensor | None = None,
        pattern: Tensor | None = None,
        rows: Tensor | None = None,
        hot: Tensor | None = None,
    ) -> Tensor:
        """What the sensor says of light, 1 of which is white, before it is cut off there."""
        sensor, white = self.sensor, self.electrons
        if pattern is not None:
            light = light * (1 + sensor.gain_spread / math.sqrt(self.native_pixels) * pattern.to(light.dtype))
        if noise is not None:
            light, noise = light.clamp_min(0), noise.to(light.dtype)
            if words is not None:
                few = light.detach().clamp_max(1)
                counts = counted(few.float(), white, words).div_(white).to(light.dtype)
                light = light + (counts - few) + noise * (math.sqrt(self._dark_noise) / white)
            else:
                light = counted_and_read(light * white, self._dark_noise, noise).div_(white)
        if rows is not None:
            light += rows.to(light.dtype) * (
                sensor.row_noise / self.native_pixels**0.25 / sensor.electrons(self.exposure.iso)
            )
        if hot is not None:
            added = sensor.dark(sensor.hot_current, self.exposure.shutter, self.temperature) / white
            light += hot.to(light.dtype) * added
        if noise is not None and self.native_pixels == 1:
            levels = 2**sensor.bits - 1
            light = as_if_left((light.detach() * levels).round_().div_(levels), light)
        return light


@functools.lru_cache(maxsize=4)
@torch.inference_mode(mode=False)
def _fixed(key: int, shape: tuple[int, int, int], share: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """How much the pixels of a sensor differ, standard normal values; and of a share of them, which are hot, currents
    of mean 1, 0 of the others."""
    random = ImageRandom(key, torch.zeros(0, dtype=torch.int64, device=device)).shared()
    return random.quick_normal(*shape), (random.uniform(*shape) < share) * -(1 - random.uniform(*shape)).log()


class Iso(Camera):
    """The noise of photons and of reading at an ISO, of pixels that differ, and whole steps: `iso`."""

    name = "iso"
    parts = ("noise",)


class Defocus(Camera):
    """A scene out of focus, and the blur of the aperture, at an f-number: `defocus`."""

    name = "defocus"
    parts = ("focus",)
    random = False

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.level = self.exposure.f_number


class Shutter(Camera):
    """A scene that moves while the shutter is open for so many seconds: `shutter`."""

    name = "shutter"
    parts = ("movement",)

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.level = self.exposure.shutter


class Light(Camera):
    """All that a camera does to a scene under so many lux, exposed as its programme says: `light`."""

    name = "light"

    def __init__(self, *, lux: float, **settings: Any):
        super().__init__(lux=lux, **settings)
        self.level = float(lux)


class RowNoise(Camera):
    """Noise that all pixels of a row get alike, of a standard deviation in electrons: `row_noise`."""

    name = "row_noise"
    parts = ("rows",)

    def __init__(self, *, row_noise: float, **settings: Any):
        super().__init__(**settings)
        self.sensor = replace(self.sensor, row_noise=row_noise)
        self.level = float(row_noise)
