"""What changes every pixel by itself, or makes them larger: the corruptions brightness, contrast, saturate and
pixelate."""

import functools

import torch
from torch import Tensor

from robust.perturb.common.base import Corruption

_COLOURS = 3


class Brightness(Corruption):
    """Adds to the value of hue, saturation and value: `brightness`."""

    name = "brightness"
    random = False

    def corrupt(self, images: Tensor, added: float) -> Tensor:
        value = images.amax(1, keepdim=True)
        brighter = (value + added).clamp(0, 1)
        return torch.where(value > 0, images * (brighter / value.clamp_min(1e-12)), brighter)


class Contrast(Corruption):
    """Brings every value nearer to the mean of its channel in the picture: `contrast`."""

    name = "contrast"
    random = False

    def corrupt(self, images: Tensor, factor: float) -> Tensor:
        mean = images.mean((2, 3), keepdim=True)
        return (images - mean) * factor + mean


class Saturate(Corruption):
    """Makes colours weaker or stronger: saturation times a `factor`, and more: `saturate`. What has no colour at all
    becomes red where something is added, as published. Pictures that are not in colour stay as they are."""

    name = "saturate"
    random = False

    def corrupt(self, images: Tensor, factor: float, added: float) -> Tensor:
        if images.shape[1] != _COLOURS:
            return images.clone()
        value = images.amax(1, keepdim=True)
        span = value - images.amin(1, keepdim=True)
        before = span / value.clamp_min(1e-12)
        after = (before * factor + added).clamp(0, 1)
        red = value.new_tensor([0, 1, 1])[:, None, None]
        away = torch.where(span > 0, (value - images) / span.clamp_min(1e-12), red)
        return value * (1 - after * away)


class Pixelate(Corruption):
    """Makes a picture smaller and as large again, so that it has fewer pixels: `pixelate`."""

    name = "pixelate"
    random = False

    def corrupt(self, images: Tensor, share: float) -> Tensor:
        height, width = (_pixelate_matrix(size, max(int(size * share), 1)).to(images) for size in images.shape[2:])
        return height @ (images @ width.T)


@functools.lru_cache(maxsize=64)
def _pixelate_matrix(size: int, fewer: int) -> Tensor:
    """The float64 matrix, shape (size, size), that has a row of pixels made shorter and as long again."""
    return _box_matrix(fewer, size) @ _box_matrix(size, fewer)


def _box_matrix(before: int, after: int) -> Tensor:
    """The float64 matrix, shape (after, before), of Pillow's filter BOX: a pixel is the mean of those whose middles it
    covers."""
    scale = before / after
    reach = max(scale, 1.0) / 2
    middles = (torch.arange(after).double()[:, None] + 0.5) * scale
    first, end = (
        (middles + side + 0.5).floor() for side in (-reach, reach)
    )  # rounded as there, which decides at edges
    places = torch.arange(before)
    away = (places - middles + 0.5) / (2 * reach)
    inside = ((places >= first) & (places < end) & (away > -0.5) & (away <= 0.5)).double()
    return inside / inside.sum(1, keepdim=True)
