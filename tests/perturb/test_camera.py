"""A camera in physical units: what is known of it in closed form."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from robust.perturb import ImageRandom
from robust.perturb.camera import Camera, Defocus, Iso, RowNoise, Shutter, encoded, linear, lit, metered, sensor_of
from robust.perturb.camera.optics import aperture, blurred, disk
from robust.perturb.camera.profile import Lens, Sensor

FULL_FRAME = {"pitch": 6.0, "bits": 14, "gain_spread": 0.0, "dark_current": 0.0}
NORMAL = {"focal_length": 50.0, "focus": 2.0}
SHRUNK = (24_000 / 224 / 6) ** 2  # native pixels for each, of a sensor 24 mm high shown on 224 pixels


def camera(kind: type[Camera] = Iso, sensor: dict[str, Any] | None = None, **settings: Any) -> Camera:
    return kind(sensor={**FULL_FRAME, **(sensor or {})}, lens=NORMAL, **{"native_pixels": 1, **settings})


def grey(light: float, count: int = 1_000_000) -> torch.Tensor:
    return torch.full((1, 1, 1000, count // 1000), float(encoded(torch.tensor(light, dtype=torch.float64))))


@pytest.mark.parametrize(("iso", "pixels"), [(100, 1), (1600, 1), (25_600, 1), (25_600, 4), (25_600, 9)])
def test_noise_has_the_mean_and_the_variance_of_photons_and_of_reading(iso: float, pixels: int) -> None:
    one = camera(iso=iso, native_pixels=pixels, sensor={"read_noise": 3.0})
    light = 0.18
    seen = linear(one(grey(light), seed=0).double())
    spread = light / one.electrons + 9 * pixels / one.electrons**2
    assert one.electrons == pytest.approx(0.2 * 11_260 * 36 * 10 / iso / 0.18 * pixels)
    assert float(seen.mean()) == pytest.approx(light, abs=4 * math.sqrt(spread / seen.numel()))
    assert float(seen.var()) == pytest.approx(spread, rel=0.01)


def test_a_data_sheets_numbers_give_its_equation_of_noise() -> None:
    gain, electrons, dark = 4095 / 12_000, 12_000, 6.0
    sensor = sensor_of(pitch=3.45, electrons=electrons, quantum_efficiency=0.6, gain=gain, dark_noise=dark)
    numbers = {name: getattr(sensor, name) for name in sensor.__dataclass_fields__}
    one = camera(iso=sensor.base_iso, sensor={**numbers, "gain_spread": 0.0, "dark_current": 0.0})
    assert one.electrons == pytest.approx(electrons)
    for light in (0.05, 0.3, 0.7):
        levels = (linear(one(grey(light), seed=0).double()) * 4095).round()
        mean, variance = float(levels.mean()), float(levels.var())
        assert mean == pytest.approx(light * 4095, abs=0.2)
        assert variance == pytest.approx(gain**2 * dark**2 + 1 / 12 + gain * mean, rel=0.01)  # EMVA 1288


@pytest.mark.parametrize(
    ("light", "read"),
    [(0.01, 3.0), (0.05, 3.0), (0.18, 3.0), (0.5, 3.0), (0.9, 3.0), (1.0, 3.0), (0.5, 0.3), (1.0, 0.3)],
)
def test_noise_of_each_tone_goes_through_the_tone_curve(light: float, read: float) -> None:
    one = camera(iso=1600, sensor={"pitch": 3.75, "read_noise": read})
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    photons = np.arange(2000)[:, None]
    weights = weights * stats.poisson.pmf(photons, light * one.electrons)
    values = encoded(torch.from_numpy((photons + read * nodes) / one.electrons).clamp(0, 1)).numpy()
    mean = np.average(values, weights=weights)
    wanted = math.sqrt(np.average((values - mean) ** 2, weights=weights))
    assert float(one(grey(light), seed=0).double().std()) == pytest.approx(wanted, rel=0.01)


def test_two_stops_less_light_are_twice_the_noise() -> None:
    spread = [float(camera(iso=iso, sensor={"read_noise": 0})(grey(0.5), seed=0).std()) for iso in (400, 1600)]
    assert spread[1] / spread[0] == pytest.approx(2, rel=0.01)


def test_averaged_native_pixels_have_the_noise_of_one_larger_pixel() -> None:
    near = {"read_noise": 5.0, "row_noise": 4.0, "bits": 24}
    for kind, extra in ((Iso, {}), (RowNoise, {"row_noise": 4.0})):
        native = linear(camera(kind, iso=6400, sensor=near, **extra)(grey(0.3, 4_000_000), seed=0).double())
        averaged = torch.nn.functional.avg_pool2d(native, 4)
        at_once = camera(kind, iso=6400, sensor=near, native_pixels=16, **extra)
        seen = linear(at_once(grey(0.3, 250_000), seed=1).double())
        few = 0.02 if kind is Iso else 0.15  # rows are fewer than pixels
        assert float(averaged.mean()) == pytest.approx(float(seen.mean()), rel=1e-2)
        assert float(averaged.std()) == pytest.approx(float(seen.std()), rel=few)


def test_lens_and_movement_are_those_of_the_textbook() -> None:
    lens = Lens(**NORMAL)
    assert lens.circle(1.8, 1.5) == pytest.approx(237.4, abs=0.1)  # micrometres
    assert lens.circle(1.8, 2.0) == 0
    assert camera(Defocus, f_number=1.8, distance=1.5, native_pixels=SHRUNK).radius == pytest.approx(1.108, abs=1e-3)
    moved = camera(Shutter, shutter="1/60", speed=1, distance=2, native_pixels=SHRUNK)
    assert moved.length == pytest.approx(3.889, abs=1e-3)
    assert (moved.level, moved.name) == (1 / 60, "shutter")
    bent = camera(Defocus, f_number=16, distance=2)
    assert 1.22 / bent.cutoff * 6 == pytest.approx(10.7, abs=0.05)  # micrometres, Airy's radius


def test_a_disk_a_line_and_an_aperture_pass_what_their_integrals_say() -> None:
    frequencies = torch.tensor([0.0, 0.02, 0.1, 0.3, 0.5], dtype=torch.float64)
    places = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    for radius in (0.3, 2.0, 7.5):
        chords = (1 - places.square()).sqrt()
        waves = torch.cos(2 * math.pi * frequencies[:, None] * radius * places)
        wanted = (waves * chords).sum(1) / chords.sum()
        torch.testing.assert_close(disk(frequencies, radius), wanted, atol=1e-4, rtol=0)
    sides = torch.linspace(-1.5, 1.5, 1501, dtype=torch.float64)
    hole = (sides[:, None] ** 2 + sides**2 <= 0.25).double()  # a circular aperture of diameter 1
    for share in (0.1, 0.4, 0.8):
        both = (hole * hole.roll(round(share / 0.002), 1)).sum() / hole.sum()
        assert float(aperture(torch.tensor(share, dtype=torch.float64), 1.0)) == pytest.approx(float(both), abs=2e-3)
    wave = torch.cos(math.pi * 8 * torch.arange(129, dtype=torch.float64) / 128).expand(1, 1, 129, 129) / 4 + 0.5
    passed = blurred(wave, length=6, angle=torch.zeros(1, dtype=torch.float64)) - 0.5
    assert float(passed.max()) == pytest.approx(np.sinc(6 / 32) / 4, abs=2e-3)
    across = blurred(wave, length=6, angle=torch.full((1,), math.pi / 2, dtype=torch.float64))
    torch.testing.assert_close(across, wave, atol=1e-6, rtol=0)


def test_a_camera_does_what_its_parts_do_one_after_the_other() -> None:
    settings = {
        "iso": 800,
        "f_number": 2.0,
        "shutter": "1/30",
        "distance": 1.8,
        "speed": 0.5,
        "native_pixels": 900.0,
        "sensor": {"row_noise": 6.0, "gain_spread": 0.01, "dark_current": 1.0, "hot_share": 0.0},
    }
    whole = camera(Camera, **settings)
    images = 0.3 + 0.4 * torch.rand(3, 3, 60, 70, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = whole.sample(ImageRandom(0, torch.arange(3)), (3, 60, 70))
    seen = whole.apply_transform(images, **drawn)
    parts: list[tuple[Callable[..., Camera], tuple[str, ...]]] = [
        (Defocus, ()),
        (Shutter, ("angle",)),
        (Iso, ("noise", "pattern")),
        (RowNoise, ("rows",)),
    ]
    after = images
    for kind, names in parts:
        extra = {"row_noise": 6.0} if kind is RowNoise else {}
        after = camera(kind, **settings, **extra).apply_transform(after, **{name: drawn[name] for name in names})
    assert (seen - images).abs().mean() > 0.01
    inside = (..., slice(20, 40), slice(20, 50))  # at the border each part mirrors what the one before left
    torch.testing.assert_close(seen[inside], after[inside], atol=1.5e-4, rtol=0)


def test_hot_pixels_stay_where_they_are_and_grow_with_exposure_and_temperature() -> None:
    black = torch.zeros(2, 1, 200, 200)
    found = []
    for shutter, temperature in ((1, 25), (2, 25), (1, 32)):
        hot = {"hot_share": 0.01, "hot_current": 10.0, "read_noise": 0.0, "bits": 24}
        one = camera(Camera, sensor=hot, iso=6400, shutter=shutter, temperature=temperature)
        first, second = linear(one(black, seed=0).double())
        assert torch.equal(first > 1e-6, second > 1e-6)
        assert float((first > 1e-6).double().mean()) == pytest.approx(0.01, rel=0.2)
        found.append(float(first.sum()))
    assert found[1] / found[0] == pytest.approx(2, rel=0.05)
    assert found[2] / found[0] == pytest.approx(2, rel=0.05)


def test_the_programme_lengthens_the_shutter_then_raises_the_iso() -> None:
    sensor = Sensor(**FULL_FRAME)
    sunny, room, night = (
        metered(lux, sensor, f_number=2.8, slowest=1 / 60, highest=6400) for lux in (20_000, 200, 0.5)
    )
    assert (sunny.iso, room.shutter, night.iso) == (100, pytest.approx(1 / 60), 6400)
    assert sunny.shutter < 1 / 60 < night.shutter
    assert 100 < room.iso < 6400
    for lux, exposure in ((20_000, sunny), (200, room), (0.5, night)):
        assert exposure.brightness(lux) == pytest.approx(1)
    assert lit(1000, 2, 1) == pytest.approx(4 * lit(1000, 4, 1))


def test_too_little_light_is_dark_and_too_much_is_white() -> None:
    picture = torch.full((1, 3, 16, 16), 0.5)
    right = camera(Camera, lux=100)(picture, seed=0).mean()
    assert float(right) == pytest.approx(0.5, abs=0.01)
    under, over = (camera(Camera, lux=lux, iso=400, shutter="1/60", f_number=2)(picture, seed=0) for lux in (1, 1e5))
    assert float(under.mean()) < 0.2
    assert float(over.min()) > 1 - 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"f_number": 0}, "`f_number` must be a number above 0; got 0"),
        ({"shutter": 0}, "`shutter` must be seconds above 0, such as 0.01 or 1/60; got 0"),
        ({"shutter": "1/0"}, "`shutter` must be seconds above 0, such as 0.01 or 1/60; got 1/0"),
        ({"shutter": "soon"}, "`shutter` must be seconds above 0, such as 0.01 or 1/60; got soon"),
        ({"iso": 50}, "`iso` must be at least the sensor's base ISO, 100; got 50"),
        ({"iso": math.nan}, "`iso` must be a number above 0; got nan"),
        ({"native_pixels": 0.5}, "`native_pixels` must be a number >= 1; got 0.5"),
        ({"lux": 0}, "`lux` must be a number above 0; got 0"),
        ({"distance": 0.05}, "`distance` must be metres, above the focal length, 0.05; got 0.05"),
        ({"speed": -1}, "`speed` must be a number >= 0; got -1"),
        ({"temperature": 1e9}, "`temperature` must be degrees Celsius, -60 to 120; got 1"),
        ({"sensor": {"pitch": 0}}, "`sensor.pitch` must be a number above 0; got 0"),
        ({"sensor": {"bits": 12.5}}, "`sensor.bits` must be a whole number from 1 to 24; got 12.5"),
        ({"sensor": {"efficiency": 1.5}}, "`sensor.efficiency` must be at most 1; got 1.5"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="must") as error:
        camera(Camera, **settings)
    assert str(error.value).startswith(message)


def test_what_it_is_made_of_says_what_a_network_has_seen() -> None:
    assert dict(camera(Iso).made_of) == {"shot_noise": "noise", "gaussian_noise": "noise"}
    assert {*camera(Camera).made_of.values()} == {"noise", "pixels", "blur"}


def test_a_lens_that_is_focused_within_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="`focus` must be further than the focal length"):
        Lens(focal_length=50, focus=0.05)
