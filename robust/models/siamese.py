"""One trunk that sees two pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robust.models.convnet import count_features, linear_head


class Siamese(nn.Module):
    """Shows both halves of a picture to the same trunk, a `network` without its head, and what it finds in them to one
    head (Doersch et al. 2015, arXiv 1505.05192).

    Takes images in [0, 1] of shape (batch, channels, side, 2 side), and returns logits, shape (batch, num_classes);
    `head` are the widths of hidden linear layers before these. Raises ValueError for images of another shape.
    """

    def __init__(
        self, *, network: nn.Module, image_shape: tuple[int, int, int], num_classes: int, head: Sequence[int] = ()
    ):
        super().__init__()
        channels, side, width = image_shape
        if width != 2 * side:
            raise ValueError(f"A Siamese network sees two squares side by side; got {side} x {width} pixels.")
        network.head = nn.Identity()
        self.network = network
        self.head = linear_head(2 * count_features(network, (channels, side, side)), num_classes, hidden=head)

    def forward(self, images: Tensor) -> Tensor:
        found = self.network(torch.cat(images.chunk(2, dim=-1)))
        return self.head(torch.cat(found.chunk(2), dim=1))


def trunk_of(network: nn.Module) -> nn.Module:
    """The network that pictures reach, and whose parts other networks of its kind have: of a Siamese one, the one
    within."""
    return network.network if isinstance(network, Siamese) else network
