"""A network for images of which most pixels are ablated."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.models.around import Around

#: what an ablated pixel shows: less than any value of an image, so that it is told from a black one
ABLATED = -1.0
_BELOW = -1.5  # x - 1 is less for an ablated pixel, more for any other


class Ablated(Around):
    """A `network` that is shown each image, shape (batch, channels, height, width), beside its negative, as twice as
    many channels: x and 1 - x, both 0 where x shows `ABLATED` (Levine and Feizi 2020, arXiv 1911.09272). It takes
    images in [0, 1] too, of which nothing is ablated. `image_shape` and `num_classes` are those of the whole."""

    def __init__(self, *, network: nn.Module, image_shape: tuple[int, int, int], num_classes: int):
        super().__init__(network)

    def see(self, images: Tensor) -> Tensor:
        """Images as the network sees them."""
        return torch.cat([images.clamp(min=0), -functional.threshold(images - 1, _BELOW, 0.0)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.see(images))
