"""What a network is given: images, checked where somebody calls it who may not know what it takes."""

from typing import Any

import torch
from torch import Tensor, nn

_FAR = 1.0  # outside of [0, 1]: what an attack tries lies nearer


def check_inputs(_: nn.Module, given: tuple[Any, ...]) -> None:
    """Raises ValueError unless a network is called with images as it takes them: floats in [0, 1] of shape (batch,
    channels, height, width). For `nn.Module.register_forward_pre_hook`. Values a little outside pass."""
    images = given[0] if given else None
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or not isinstance(images, Tensor):
        return
    if images.dim() != 4:
        shape, advice = tuple(images.shape), " Add a batch dimension: image[None]." if images.dim() == 3 else ""
        raise ValueError(f"Images must be of shape (batch, channels, height, width); got {shape}.{advice}")
    if not images.is_floating_point():
        raise ValueError(f"Images must be floats in [0, 1]; got {images.dtype}. Divide them by 255: images / 255.")
    if images.is_meta or not images.numel():
        return
    low, high = (value.item() for value in torch.aminmax(images.detach()))
    if high > 1 + _FAR or low < -_FAR:
        advice = "Leave out your own normalisation: the network's first layer does it."
        if low >= 0:
            advice = "Divide them by 255: images / 255."
        raise ValueError(f"Images must be in [0, 1]; got values from {low:g} to {high:g}. {advice}")
