"""What changes the values of all pixels alike: the corruptions brightness, contrast and saturate."""

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
