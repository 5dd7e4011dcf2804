"""Perturbations of the world outside: each image draws its own strength."""

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.random import ImageRandom


class DrawnStrength(Perturbation):
    """A perturbation whose strength is drawn for each image, uniformly from `lowest * level` to `level`.

    `unit` says what a strength is, `highest` the greatest there may be.
    """

    unit: str
    highest: float

    def __init__(self, *, level: float, lowest: float = 0.25):
        super().__init__()
        self.level = check_level("level", level, self.unit)
        if level > self.highest:
            raise ValueError(
                f"`level` must be at most {self.highest:g} for {self.name}; got {level}. It is {self.unit}."
            )
        if not 0 <= lowest <= 1:
            raise ValueError(
                f"`lowest` must be from 0 to 1; got {lowest}. It is the weakest strength as a share of `level`."
            )
        self.lowest = lowest

    def strength(self, random: ImageRandom) -> Tensor:
        """A strength for each image, shape (batch,)."""
        return self.level * (self.lowest + (1 - self.lowest) * random.uniform())

    def signed(self, random: ImageRandom) -> Tensor:
        """The same, of either sign."""
        return self.strength(random) * (2 * random.integers(2) - 1)


def blend(images: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """`other` over `images`, as far as `weight` (in [0, 1]) covers them."""
    weight, other = weight.to(images.dtype), other.to(images.dtype)
    return torch.lerp(images, other.expand_as(images), weight.expand_as(images)).clamp(0, 1)
