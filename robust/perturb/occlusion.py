"""Objects that something hides: a piece is missing, a fence stands before them, a pattern lies over them, pixels fail.

Source: Everaert, Thiel, Yannett, "Robust Computer Vision".
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.base import DrawnStrength
from robust.perturb.random import ImageRandom

_GRAIN = 16  # places of a texture's pattern along a side, which are then drawn out


class Erasing(DrawnStrength):
    """Blackens a rectangle, whose sides are up to 2 to 1. The level is its share of the picture."""

    name = "erase"
    unit = "the share of the picture that is erased, e.g. 0.3"
    highest = 1.0

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        _, height, width = shape
        area, ratio = self.strength(random), 2 ** (2 * random.uniform() - 1)
        high = (area * ratio).sqrt().clamp(max=1).maximum(area)
        wide = area / high.clamp_min(1e-6)
        top, left = random.uniform() * (1 - high), random.uniform() * (1 - wide)
        rows, columns = _between(top, high, height), _between(left, wide, width)
        return {"erased": rows[:, None, :, None] & columns[:, None, None, :]}

    def apply_transform(self, images: Tensor, *, erased: Tensor) -> Tensor:
        return images * ~erased  # three times as fast as `masked_fill`


class Mesh(DrawnStrength):
    """Puts a grid of lines before the picture: of one grey, turned at random, 4 to 8 lines along the shorter side. The
    level is the width of a line, as a share of the distance between two."""

    name = "mesh"
    unit = "the width of a line as a share of the distance between two, e.g. 0.3"
    highest = 1.0

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        _, height, width = shape
        strength, count, angle = self.strength(random), 4 + 4 * random.uniform(), math.pi / 2 * random.uniform()
        offsets, grey = random.uniform(2), random.uniform()
        period = (min(height, width) / count)[:, None, None]
        thickness = strength[:, None, None] * period
        cover = torch.zeros(len(random), height, width, device=random.device)
        for place in range(2):
            along = _along(angle + place * math.pi / 2, height, width)
            phase = (along / period + offsets[:, place, None, None]) % 1
            inside = (thickness / 2 - (phase - 0.5).abs() * period) + 0.5  # of a pixel, at a line's edge
            cover = torch.maximum(cover, inside.clamp(min=0).minimum(thickness.clamp(max=1)))
        return {"cover": cover[:, None], "grey": grey[:, None, None, None]}

    def apply_transform(self, images: Tensor, *, cover: Tensor, grey: Tensor) -> Tensor:
        return _blend(images, grey, cover)


class Texture(DrawnStrength):
    """Lays a foreign pattern over the picture: coloured waves that cross, with grain. The level is the share of the
    pattern in what is seen, from 0 to 1."""

    name = "texture"
    unit = "how much of what is seen is the pattern, from 0 to 1, e.g. 0.6"
    highest = 1.0

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        channels, height, width = shape
        weight, waves = self.strength(random), 2 + 8 * random.uniform(2)
        angles, phases = math.pi * random.uniform(2), math.tau * random.uniform(channels, 2)
        waves = math.tau * waves / min(height, width)
        pattern = torch.zeros(len(random), channels, height, width, device=random.device)
        for place in range(2):
            along = waves[:, place, None, None] * _along(angles[:, place], height, width)
            pattern += (along[:, None] + phases[:, :, place, None, None]).sin() / 4
        grain = random.uniform(channels, _GRAIN, _GRAIN) - 0.5
        pattern += functional.interpolate(grain, (height, width), mode="bilinear", align_corners=False) / 2
        return {"pattern": (pattern + 0.5).clamp_(0, 1), "weight": weight[:, None, None, None]}

    def apply_transform(self, images: Tensor, *, pattern: Tensor, weight: Tensor) -> Tensor:
        return _blend(images, pattern, weight)


class PixelDropout(DrawnStrength):
    """Blackens single pixels at random places. The level is the share of the pixels, from 0 to 1."""

    name = "pixel_dropout"
    unit = "the share of the pixels that are deleted, e.g. 0.15"
    highest = 1.0

    def __init__(self, *, level: float, lowest: float = 1 / 3):
        super().__init__(level=level, lowest=lowest)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        _, height, width = shape
        return {"deleted": random.bernoulli(self.strength(random), 1, height, width)}

    def apply_transform(self, images: Tensor, *, deleted: Tensor) -> Tensor:
        return images * ~deleted


def _along(angle: Tensor, height: int, width: int) -> Tensor:
    """How far each pixel lies in the direction of each angle, shape (batch,), in pixels: (batch, height, width)."""
    y = torch.arange(height, device=angle.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=angle.device, dtype=torch.float32)
    return x * angle.cos()[:, None, None] + y * angle.sin()[:, None, None]


def _between(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Which of `size` places lie between `start` and `start + length`, both shares of the whole: (batch, size)."""
    middles = (torch.arange(size, device=start.device) + 0.5) / size
    return (middles >= start[:, None]) & (middles < (start + length)[:, None])


def _blend(images: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """`other` over `images`, as far as `weight` (in [0, 1]) covers them."""
    weight, other = weight.to(images.dtype), other.to(images.dtype)
    return torch.lerp(images, other.expand_as(images), weight.expand_as(images)).clamp(0, 1)
