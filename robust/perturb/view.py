"""Views of a picture, to be told as the same (Chen et al. 2020, arXiv 2002.05709)."""

import math

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.geometry import warp
from robust.perturb.random import ImageRandom

_GREY = (0.299, 0.587, 0.114)
_OFTEN, _SELDOM = 0.8, 0.2  # how often colours change, and how often they go
_WIDEST = 4 / 3  # a cut's width over its height, and the other way round


class ContrastView(Perturbation):
    """A cut of at least `smallest` of the picture's area, drawn to its size; mirrored half of the time; four
    times in five with another brightness and contrast and, of colour pictures, saturation (each by up to 0.8 of it) and
    hue (by up to a fifth of the circle); of these once in five without all colour. `level`, from 0 to 1, scales the cut
    and the change of colours; published for small pictures is 0.5."""

    name = "view"

    def __init__(self, *, level: float = 0.5, smallest: float = 0.2):
        super().__init__()
        self.level = check_level("level", level, "the strength of views, from 0 to 1")
        if level > 1:
            raise ValueError(f"`level` must be at most 1 for a view; got {level}.")
        if not 0 < smallest <= 1:
            raise ValueError(f"`smallest` must be above 0 and at most 1, a share of the picture; got {smallest}.")
        self.smallest = smallest

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
        if channels != len(_GREY):
            return {**parameters, "factors": factors[:, :2]}
        gone = random.uniform() < _SELDOM
        factors[:, 2] = torch.where(gone, 0, factors[:, 2])
        return {**parameters, "factors": factors, "hue": 0.2 * 2 * math.pi * changed[:, 0] * hue}

    def apply(  # type: ignore[override]
        self, images: Tensor, *, matrices: Tensor, factors: Tensor, hue: Tensor | None = None
    ) -> Tensor:
        from kornia.enhance import adjust_hue

        if not (self.level and len(images)):
            return images.clone()
        images = warp(images, matrices)
        brightness, contrast, *saturation = factors.to(images.dtype)[..., None, None, None].unbind(1)
        images = (images * brightness).clamp(0, 1)
        images = _apart(images, _grey(images).mean((1, 2, 3), keepdim=True), contrast)
        if hue is None:
            return images
        images = _apart(images, _grey(images), saturation[0])
        return adjust_hue(images, hue.to(images.dtype)).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != len(_GREY):
        return images.mean(1, keepdim=True)
    return (images * images.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)


def _apart(images: Tensor, from_: Tensor, factor: Tensor) -> Tensor:
    """Images so many times as far from something."""
    return (from_ + (images - from_) * factor).clamp(0, 1)
