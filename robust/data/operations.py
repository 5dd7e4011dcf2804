"""Augmentations by operations that are drawn for each image: RandAugment and TrivialAugment."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from robust.perturb import ImageRandom, warp
from robust.values.numbers import is_number, is_whole

_COLOURS = 3


class Ranges(NamedTuple):
    """How strong operations are at most: `shear` as a tangent, `shift` as a share of the side, `rotate` in degrees,
    `enhance` by how much the factor of brightness, colour, contrast or sharpness differs from 1, `bits` how many of the
    8 bits of a value posterizing takes away, `solarize` the share of values from the brightest on that are inverted."""

    shear: float
    shift: float
    rotate: float
    enhance: float
    bits: float
    solarize: float = 1.0


def _moved(images: Tensor, **entries: Tensor) -> Tensor:
    """Images drawn anew, black where nothing is: with a matrix each (see `warp`) of these entries, such as `xy`."""
    matrices = torch.eye(3, device=images.device).repeat(len(images), 1, 1)
    for name, entry in entries.items():
        matrices[:, "xy1".index(name[0]), "xy1".index(name[1])] = entry
    return warp(images, matrices, outside="zeros")


def _rotate(images: Tensor, degrees: Tensor) -> Tensor:
    angle = torch.deg2rad(degrees)
    return _moved(images, xx=angle.cos(), xy=-angle.sin(), yx=angle.sin(), yy=angle.cos())


def _shift_x(images: Tensor, share: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return _moved(images, x1=share * 2 * width / min(height, width))


def _shift_y(images: Tensor, share: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return _moved(images, y1=share * 2 * height / min(height, width))


def _brightness(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_brightness_accumulative

    return adjust_brightness_accumulative(images, 1 + more)


def _colour(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_saturation_with_gray_subtraction

    return adjust_saturation_with_gray_subtraction(images, 1 + more) if images.shape[1] == _COLOURS else images


def _contrast(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_contrast_with_mean_subtraction

    return adjust_contrast_with_mean_subtraction(images, 1 + more)


def _sharpness(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance import sharpness

    return sharpness(images, 1 + more)


def _posterize(images: Tensor, bits: Tensor) -> Tensor:
    step = 2.0 ** bits.abs().round()[:, None, None, None]
    return ((images * 255).round() / step).floor() * step / 255


def _solarize(images: Tensor, share: Tensor) -> Tensor:
    from kornia.enhance import solarize

    return solarize(images, 1 - share.abs())


def _autocontrast(images: Tensor, _: Tensor) -> Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp_min(1 / 255), images)


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    from kornia.enhance import equalize

    return equalize(images)


#: of each operation which of the `Ranges` it takes, and what changes images, float in [0, 1] of shape (n, channels,
#: height, width), by so much each, of shape (n,)
OPERATIONS: Mapping[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "identity": ("enhance", lambda images, _: images),
    "shear_x": ("shear", lambda images, tangent: _moved(images, xy=tangent)),
    "shear_y": ("shear", lambda images, tangent: _moved(images, yx=tangent)),
    "shift_x": ("shift", _shift_x),
    "shift_y": ("shift", _shift_y),
    "rotate": ("rotate", _rotate),
    "brightness": ("enhance", _brightness),
    "colour": ("enhance", _colour),
    "contrast": ("enhance", _contrast),
    "sharpness": ("enhance", _sharpness),
    "posterize": ("bits", _posterize),
    "solarize": ("solarize", _solarize),
    "autocontrast": ("enhance", _autocontrast),
    "equalize": ("enhance", _equalize),
}


class DrawnOperations:
    """Puts each image through `operations` of OPERATIONS, one after the other, each drawn evenly, with a strength and a
    direction of its own.

    Called with images in [0, 1], shape (batch, channels, height, width), and an `ImageRandom`; returns such images.
    """

    def __init__(self, operations: int, ranges: Ranges):
        self.operations, self.ranges = operations, ranges

    def strengths(self, random: ImageRandom) -> Tensor:
        """From 0 to 1, one for each image, of shape (batch,)."""
        raise NotImplementedError

    def __call__(self, images: Tensor, random: ImageRandom) -> Tensor:
        for _ in range(self.operations):
            drawn = random.integers(len(OPERATIONS))
            strength = self.strengths(random) * (random.integers(2) * 2 - 1)
            images = images.clone()
            for place, (name, operation) in enumerate(OPERATIONS.values()):
                mine = (drawn == place).nonzero()[:, 0]
                if len(mine):
                    most = getattr(self.ranges, name)
                    images[mine] = operation(images[mine], strength[mine] * most).clamp(0, 1)
        return images


class RandAugment(DrawnOperations):
    """Two `operations`, or another number of them, all of the same `magnitude`, from 0 to 30 (Cubuk et al. 2020, arXiv
    1909.13719); see `DrawnOperations`. Raises ValueError for other numbers."""

    def __init__(self, *, operations: int = 2, magnitude: float = 9):
        if not is_whole(operations, 1):
            raise ValueError(f"`data.augment.operations` must be a whole number >= 1; got {operations}.")
        if not (is_number(magnitude) and 0 <= magnitude <= 30):
            raise ValueError(f"`data.augment.magnitude` must be from 0 to 30; got {magnitude}.")
        super().__init__(operations, Ranges(shear=0.3, shift=0.45, rotate=30, enhance=0.9, bits=4))
        self.magnitude = magnitude

    def strengths(self, random: ImageRandom) -> Tensor:
        return torch.full((len(random),), self.magnitude / 30, device=random.device)


class TrivialAugment(DrawnOperations):
    """One operation of any strength, in the wide ranges (Mueller and Hutter 2021, arXiv 2103.10158); see
    `DrawnOperations`."""

    def __init__(self) -> None:
        super().__init__(1, Ranges(shear=0.99, shift=1.0, rotate=135, enhance=0.99, bits=6))

    def strengths(self, random: ImageRandom) -> Tensor:
        return random.uniform()
