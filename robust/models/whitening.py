"""A first convolution that is computed, not learnt: it makes small patches of images white."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.errors import check
from robust.models.standardize import Fitted

_SIDE = 2  # pixels of a patch
_IMAGES = 5000  # enough for the covariance of so few pixels
_PART = 500  # of them at once


class Whitening(Fitted):
    """Convolves images in [0, 1], shape (batch, channels, height, width), less the mean of each channel, with the
    directions in which their 2x2 patches vary, each scaled to unit variance, and with the opposites of these; adds a
    learnt bias to each map.

    To each variance `floor` of their mean is added, from 0 to 1: a direction in which next to nothing varies, as fine
    colour in pictures that went through JPEG, would else be made large, and with it whatever noise there is.

    Returns maps, shape (batch, `outputs`, height - 1, width - 1), `outputs` being 8 times the channels. Fresh, before
    it was fitted, its directions are the single pixels. It is fitted once: what a network learns hangs on each
    direction. Raises ValueError for another `floor`. Source: Jordan 2024 (arXiv 2404.00498), section 3.2.
    """

    mean: Tensor
    weight: Tensor
    fitted: Tensor

    def __init__(self, channels: int, *, floor: float = 5e-4):
        super().__init__()
        check("model.floor", floor, "a number from 0 to 1", 0 <= floor <= 1)
        self.floor = floor
        self.outputs = 2 * channels * _SIDE**2
        pixels = torch.eye(self.outputs // 2).view(-1, channels, _SIDE, _SIDE)
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("weight", torch.cat([pixels, -pixels]))
        self.register_buffer("fitted", torch.tensor(False))
        self.bias = nn.Parameter(torch.zeros(self.outputs))

    def forward(self, images: Tensor) -> Tensor:
        return functional.conv2d(images - self.mean, self.weight, self.bias)

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes mean and directions of the first 5,000 images of `batches`, each of shape (batch, channels, height,
        width), in float64; changes nothing if it was fitted. Raises ValueError where there are none."""
        if self.fitted:
            return
        found: list[Tensor] = []
        for batch in filter(len, batches):
            found.append(batch[: _IMAGES - sum(map(len, found))].to("cpu", torch.float64))
            if sum(map(len, found)) == _IMAGES:
                break
        if not found:
            raise ValueError("There are no images to take the directions of.")
        images = torch.cat(found)
        mean = images.mean((0, 2, 3))[:, None, None]
        covariance = sum(_products(part) for part in (images - mean).split(_PART)) / len(images)
        variances, directions = torch.linalg.eigh(covariance)
        spread = (variances.clamp_min(0) + self.floor * variances.mean()).sqrt()
        white = (directions / torch.where(spread > 0, spread, 1)).T.flip(0).reshape(-1, *self.weight.shape[1:])
        self.mean.copy_(mean)
        self.weight.copy_(torch.cat([white, -white]))
        self.fitted.fill_(True)


def _products(images: Tensor) -> Tensor:
    """The sum over images of the mean product of each two pixels of a patch."""
    patches = functional.unfold(images, _SIDE)
    return torch.einsum("nap,nbp->ab", patches, patches) / patches.shape[2]


class Shift(nn.Module):
    """Adds a learnt number to each map, which learns `rate` times as fast as other weights under gradient descent.

    Maps have shape (batch, `channels`, height, width). What is learnt is the number divided by the root of `rate`.
    """

    def __init__(self, channels: int, *, rate: float):
        super().__init__()
        self.factor = math.sqrt(rate)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + (self.factor * self.bias)[:, None, None]
