"""Each operation on pictures does to 8 bits what Pillow does."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from robust.perturb import OPERATIONS

HEIGHT, WIDTH = 24, 30


def some() -> list[Image.Image]:
    """Noise, a flat picture, one of two values, one with few bright pixels, and smooth ones."""
    draw = np.random.default_rng(0)
    shape, (y, x) = (HEIGHT, WIDTH, 3), np.mgrid[0:HEIGHT, 0:WIDTH][..., None]
    pictures = [draw.integers(0, 256, shape), np.full(shape, 77), 255 * draw.integers(0, 2, shape)]
    pictures += [200 * (draw.random(shape) < 0.01)]
    pictures += [draw.integers(60, 200, 3) + x * draw.normal(0, 3, 3) + y * draw.normal(0, 3, 3) for _ in range(4)]
    return [Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in pictures]


def as_images(pictures: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(one) for one in pictures])).permute(0, 3, 1, 2).float() / 255


def differences(name: str, amount: float, expected: list[Image.Image]) -> torch.Tensor:
    found = OPERATIONS[name](as_images(some()), torch.full((8,), amount))
    return ((found - as_images(expected)) * 255).abs().round()


@pytest.mark.parametrize(
    ("name", "amount", "known"),
    [
        ("autocontrast", 0, ImageOps.autocontrast),
        ("equalize", 0, ImageOps.equalize),
        *(("posterize", 8 - bits, lambda one, bits=bits: ImageOps.posterize(one, bits)) for bits in (1, 3, 4, 8)),
        *(("solarize", 1 - at / 256, lambda one, at=at: ImageOps.solarize(one, at)) for at in (0, 100, 180, 256)),
    ],
)
def test_what_looks_values_up_in_a_table_is_equal_to_the_bit(name, amount, known):
    assert not differences(name, amount, [known(one) for one in some()]).any()


def _moved(matrix):
    return lambda one: one.transform(one.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


@pytest.mark.parametrize(
    ("name", "amount", "known"),
    [
        *(("rotate", by, lambda one, by=by: one.rotate(by, Image.Resampling.BILINEAR)) for by in (-9, 4, 90, 180)),
        *(("shear_x", by, _moved((1, by, 0, 0, 1, 0))) for by in (-0.09, 0.25)),
        *(("shear_y", by, _moved((1, 0, 0, by, 1, 0))) for by in (-0.09, 0.25)),
        *(("shift_x", by / WIDTH, _moved((1, 0, by, 0, 1, 0))) for by in (-3, 2)),
        *(("shift_y", by / HEIGHT, _moved((1, 0, 0, 0, 1, by))) for by in (-3, 2)),
    ],
)
def test_what_moves_a_picture_differs_by_one_of_255_in_one_value_of_100_at_most(name, amount, known):
    found = differences(name, amount, [known(one) for one in some()])
    assert found.max() <= 1
    assert found.mean() < 0.01


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("colour", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
@pytest.mark.parametrize("more", [-0.7, 0.4, 0.9])
def test_what_is_not_rounded_is_within_one_and_a_half_of_255(name, known, more):
    found = OPERATIONS[name](as_images(some()), torch.full((8,), more)).clamp(0, 1)
    expected = as_images([known(one).enhance(1 + more) for one in some()])
    assert ((found - expected) * 255).abs().max() < 1.5
