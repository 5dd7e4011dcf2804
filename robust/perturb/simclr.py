"""Views of a picture, to be told as the same (Chen et al. 2020, arXiv 2002.05709)."""

import math

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.families import operations
from robust.perturb.random import ImageRandom
from robust.perturb.warp import warp
from robust.values.numbers import is_number, plain

_COLOURS = 3
_OFTEN, _SELDOM = 0.8, 0.2  # how often colours change, and how often they go
_WIDEST = 4 / 3  # a cut's width over its height, and the other way round


class SimCLRAugmentation(Perturbation):
    """A cut of at least `smallest` of the picture's area, drawn to its size; mirrored half of the time; four
    times in five with another brightness and contrast and, of colour pictures, saturation (each by up to 0.8 of it) and
    hue (by up to a fifth of the circle), all of it times `level`; one in five without colours. `level`, from 0 to 1,
    scales the cut too, until it is 0.5, as published for small pictures. Raises ValueError for others, and for a
    `smallest` that is not above 0 and at most 1. Source: SimCLR (Chen et al. 2020, arXiv 2002.05709)."""

    name = "view"
    moves = True
    made_of = operations("shift", "zoom", "flip", "brightness", "contrast", "saturation", "hue")

    def __init__(self, *, level: float = 0.5, smallest: float = 0.2):
        super().__init__()
        self.level = check_level("level", level, "the strength of views, from 0 to 1, e.g. 0.5", most=1)
        if not (is_number(smallest) and 0 < smallest <= 1):
            raise ValueError(
                f"`smallest` must be above 0 and at most 1; got {smallest}. It is the least "
                "share of a picture's area that a view shows, e.g. 0.2."
            )
        self.smallest = float(plain(smallest))

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`matrices`, shape (batch, 3, 3), `factors` of brightness, contrast and saturation, and `hue`, in radians."""
        channels, height, width = shape
        area = 1 - min(1, 2 * self.level) * (1 - self.smallest) * random.uniform()
        stretch = ((2 * random.uniform() - 1) * math.log(_WIDEST) / 2).exp()
        wide, high = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
        x, y = (
            (2 * random.uniform() - 1) * (1 - size) * side / min(height, width)
            for size, side in ((wide, width), (high, height))
        )
        turned = random.uniform() < 0.5
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        entries = [wide * torch.where(turned, -1, 1), zero, x, zero, high, y, zero, zero, one]
        changed = (random.uniform() < _OFTEN).float()[:, None] * self.level
        parameters = {"matrices": torch.stack(entries, dim=-1).unflatten(-1, (3, 3))}
        factors, hue = 1 + 0.8 * changed * (2 * random.uniform(3) - 1), 2 * random.uniform() - 1
        if channels != _COLOURS:
            return {**parameters, "factors": factors[:, :2]}
        gone = random.uniform() < _SELDOM
        factors[:, 2] = torch.where(gone, 0, factors[:, 2])
        return {**parameters, "factors": factors, "hue": 0.2 * 2 * math.pi * changed[:, 0] * hue}

    def apply_transform(
        self, images: Tensor, *, matrices: Tensor, factors: Tensor, hue: Tensor | None = None
    ) -> Tensor:
        from kornia.enhance import adjust_hue
        from kornia.enhance.adjust import (
            adjust_brightness_accumulative,
            adjust_contrast_with_mean_subtraction,
            adjust_saturation_with_gray_subtraction,
        )

        if not (self.level and len(images)):
            return images.clone()
        images = warp(images, matrices)
        brightness, contrast, *saturation = factors.to(images.dtype).unbind(1)
        images = adjust_brightness_accumulative(images, brightness)
        images = adjust_contrast_with_mean_subtraction(images, contrast)
        if hue is None:
            return images
        images = adjust_saturation_with_gray_subtraction(images, saturation[0])
        return adjust_hue(images, hue.to(images.dtype)).clamp(0, 1)
