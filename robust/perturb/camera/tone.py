"""Light and the values that stand for it in sRGB (IEC 61966-2-1)."""

import torch
from torch import Tensor

_LINEAR, _SLOPE, _POWER, _OFFSET = 0.0031308, 12.92, 2.4, 0.055


def linear(images: Tensor) -> Tensor:
    """The light that makes these values of sRGB."""
    bright = ((images.clamp_min(_LINEAR) + _OFFSET) / (1 + _OFFSET)) ** _POWER
    return torch.where(images <= _SLOPE * _LINEAR, images / _SLOPE, bright)


def encoded(light: Tensor) -> Tensor:
    """The values in sRGB of light."""
    bright = (1 + _OFFSET) * light.clamp_min(_LINEAR) ** (1 / _POWER) - _OFFSET
    return torch.where(light <= _LINEAR, _SLOPE * light, bright)
