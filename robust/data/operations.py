"""Augmentations by operations that are drawn for each image: RandAugment and TrivialAugment."""

from typing import NamedTuple

import torch
from torch import Tensor

from robust.data.mixing import Augment
from robust.perturb import ImageRandom, made_of, operate
from robust.perturb import operations as named
from robust.values.numbers import is_number, is_whole


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


#: of each operation which of the `Ranges` it takes
_TAKES = {
    "identity": "enhance",
    "shear_x": "shear",
    "shear_y": "shear",
    "shift_x": "shift",
    "shift_y": "shift",
    "rotate": "rotate",
    "brightness": "enhance",
    "colour": "enhance",
    "contrast": "enhance",
    "sharpness": "enhance",
    "posterize": "bits",
    "solarize": "solarize",
    "autocontrast": "enhance",
    "equalize": "enhance",
}


class DrawnOperations:
    """Puts each image through `operations` of `robust.perturb.OPERATIONS`, one after the other, each drawn evenly, with
    a strength and a direction of its own. `first` is an augmentation that it goes through before.

    Called with images in [0, 1], shape (batch, channels, height, width), and an `ImageRandom`; returns such images.
    """

    def __init__(self, operations: int, ranges: Ranges, *, first: Augment | None = None):
        self.operations, self.ranges, self.first = operations, ranges, first
        self.made_of = {**named(*_TAKES), **made_of(first)}

    def strengths(self, random: ImageRandom) -> Tensor:
        """From 0 to 1, one for each image, of shape (batch,)."""
        raise NotImplementedError

    def __call__(self, images: Tensor, random: ImageRandom) -> Tensor:
        images = images if self.first is None else self.first(images, random)
        for _ in range(self.operations):
            drawn = random.integers(len(_TAKES))
            strength = self.strengths(random) * (random.integers(2) * 2 - 1)
            most = torch.tensor([getattr(self.ranges, name) for name in _TAKES.values()], device=drawn.device)
            images = operate(images, tuple(_TAKES), drawn, strength * most[drawn])
        return images


class RandAugment(DrawnOperations):
    """Two `operations`, or another number of them, all of the same `magnitude`, from 0 to 30 (Cubuk et al. 2020, arXiv
    1909.13719); see `DrawnOperations`. Raises ValueError for other numbers."""

    def __init__(self, *, operations: int = 2, magnitude: float = 9, first: Augment | None = None):
        if not is_whole(operations, 1):
            raise ValueError(f"`data.augment.operations` must be a whole number >= 1; got {operations}.")
        if not (is_number(magnitude) and 0 <= magnitude <= 30):
            raise ValueError(f"`data.augment.magnitude` must be from 0 to 30; got {magnitude}.")
        super().__init__(operations, Ranges(shear=0.3, shift=0.45, rotate=30, enhance=0.9, bits=4), first=first)
        self.magnitude = magnitude

    def strengths(self, random: ImageRandom) -> Tensor:
        return torch.full((len(random),), self.magnitude / 30, device=random.device)


class TrivialAugment(DrawnOperations):
    """One operation of any strength, in the wide ranges (Mueller and Hutter 2021, arXiv 2103.10158); see
    `DrawnOperations`."""

    def __init__(self, *, first: Augment | None = None) -> None:
        super().__init__(1, Ranges(shear=0.99, shift=1.0, rotate=135, enhance=0.99, bits=6), first=first)

    def strengths(self, random: ImageRandom) -> Tensor:
        return random.uniform()
