"""A network that another stands around."""

from typing import Any

from torch import nn


class Around(nn.Module):
    """Holds a `network` and does something before it, or with it: from images in [0, 1], shape (batch, channels,
    height, width), to what the network returns. What that says of itself, whether it gives logits or what its scores
    mean, holds for this one too."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)


def innermost(network: nn.Module) -> nn.Module:
    """The network that others stand around; itself, where none does."""
    while isinstance(network, Around):
        network = network.network
    return network
