"""Levels of noise and blur as settings of a camera, against published figures and the camera's own pictures."""

import math
from typing import Any

import pytest
import torch

from robust.perturb import GaussianBlur, ImageRandom
from robust.perturb.camera import Camera, Defocus, Iso, encoded
from robust.perturb.camera.equivalent import f_number_of_blur, grey_noise, iso_of_noise

LENS = {"focal_length": 50.0, "focus": 2.0}


def sensor(pitch: float) -> dict[str, Any]:
    return {"pitch": pitch, "read_noise": 3.0, "dark_current": 0.0, "bits": 24}


@pytest.mark.parametrize(
    ("pitch", "iso", "published"),
    [
        *((6, 100, 0.0026), (6, 1600, 0.0097), (6, 25_600, 0.0433), (3.75, 400, 0.0078), (1.54, 1600, 0.0423)),
        *((1.4, 100, 0.0104), (1.4, 6400, 0.1244), (5.6, 6400, 0.0213)),
    ],
)
def test_noise_in_middle_grey_is_that_of_published_tables(pitch: float, iso: float, published: float) -> None:
    one = Camera(sensor=sensor(pitch), lens=LENS, native_pixels=1, iso=iso)
    assert grey_noise(one) == pytest.approx(published, abs=6e-5, rel=0.01)


@pytest.mark.parametrize(
    ("pitch", "rows", "shown", "published"),
    [
        *((6, 4000, 32, 7.8e6), (6, 4000, 64, 3.9e6), (6, 4000, 224, 1.1e6), (1.2, 6100, 32, 476e3)),
        *((1.2, 6100, 64, 237e3), (1.2, 6100, 224, 66e3), (1.55, 2935, 32, 381e3), (1.55, 2935, 64, 189e3)),
        *((1.55, 2935, 224, 52e3), (5.6, 480, 32, 786e3), (5.6, 480, 64, 375e3), (5.6, 480, 224, 85e3)),
    ],
)
def test_a_level_of_noise_is_the_iso_of_published_tables(pitch: float, rows: int, shown: int, published: float) -> None:
    found = iso_of_noise(0.05, sensor=sensor(pitch), lens=LENS, native_pixels=(rows / shown) ** 2)
    assert found.exact
    assert found.setting == pytest.approx(published, rel=0.03)


def test_a_picture_at_that_iso_has_that_noise() -> None:
    settings = {"sensor": {"pitch": 1.4, "read_noise": 1.5, "bits": 10}, "lens": LENS, "native_pixels": 4}
    found = iso_of_noise(0.0255, **settings)
    grey = torch.full((1, 1, 500, 500), float(encoded(torch.tensor(0.18))))
    seen = Iso(**settings, iso=found.setting)(grey, seed=0)
    assert float(seen.double().std()) == pytest.approx(0.0255, rel=0.01)


def test_no_iso_is_so_clean_where_the_least_is_noisier() -> None:
    found = iso_of_noise(0.001, sensor=sensor(1.4), lens=LENS, native_pixels=1)
    assert found == (100, False)


def test_a_picture_at_that_f_number_is_as_blurred_as_by_the_gaussian() -> None:
    settings = {"sensor": {"pitch": 6.0}, "lens": LENS, "native_pixels": 100, "distance": 1.5}
    found = f_number_of_blur(1.0, widest=1.4, **settings)
    assert found.exact
    wave = 0.5 + 0.1 * torch.cos(2 * math.pi * 12 / 64 * torch.arange(65.0)).expand(1, 1, 65, 65)
    lens, gaussian = Defocus(**settings, f_number=found.setting), GaussianBlur(sigma=1.0)
    middle = (..., slice(10, 55), slice(10, 55))
    seen = [one.perturb(wave, ImageRandom(0, torch.arange(1)))[middle] for one in (lens, gaussian)]
    left = [float((one - 0.5).abs().max()) for one in seen]
    assert left[0] == pytest.approx(left[1], rel=0.06)
    assert found.setting == pytest.approx(237.4 * 1.8 / 60 / (2 * 2.0), rel=0.12)  # a disk of radius 2 sigma is as wide


def test_what_no_f_number_does_is_said() -> None:
    near = {"lens": LENS, "distance": 1.5}
    small = f_number_of_blur(0.04, widest=1.8, sensor={"pitch": 1.0}, native_pixels=1, **near)
    large = f_number_of_blur(1.0, widest=1.8, sensor={"pitch": 6.0}, native_pixels=10_000, **near)
    assert small == (math.inf, False)
    assert large == (1.8, False)
