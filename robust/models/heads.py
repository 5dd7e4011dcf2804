"""The head of any network: the linear layer that makes its output, found by asking."""

import torch
from torch import Tensor, nn

from robust.errors import one_line
from robust.models.inference import evaluating
from robust.models.outputs import opened


def asked(network: nn.Module, images: Tensor) -> Tensor | None:
    """What a network says of images as it takes them: logits, shape (batch, classes). None where it cannot be asked
    without numbers, on the `meta` device, or has none yet. Raises ValueError where it cannot at all."""
    if getattr(network, "waits", False):
        return None
    try:
        with evaluating(network), torch.no_grad():
            given = opened(network(images))
    except Exception as error:
        if images.device.type == "meta":
            return None
        raise ValueError(
            f"{type(network).__name__} cannot be called with images of shape {tuple(images.shape)}: "
            f"{one_line(error)} `model.size`, `model.channels` and `model.layout` say what it takes."
        ) from error
    if not isinstance(given, Tensor) or given.dim() != 2:
        shown = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise ValueError(
            f"{type(network).__name__} must return logits, shape (batch, classes); got {shown} for a batch of 2."
        )
    return given


def find_head(network: nn.Module, images: Tensor) -> str | None:
    """The name of the linear layer whose output for these images is the network's; None where there is none. (Where the
    network cannot be asked, it is taken for the last one.)"""
    seen: list[tuple[str, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, given, name=name: seen.append((name, given)))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and name
    ]
    try:
        given = asked(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    if given is None:
        return next(
            (name for name, layer in reversed([*network.named_modules()]) if isinstance(layer, nn.Linear)), None
        )
    return next((name for name, made in reversed(seen) if made is given), None)


def taken_out(network: nn.Module, name: str) -> nn.Module:
    """A layer of a network, in whose place nothing is done any more."""
    holder, _, last = name.rpartition(".")
    parent = network.get_submodule(holder)
    layer = getattr(parent, last)
    setattr(parent, last, nn.Identity())
    return layer
