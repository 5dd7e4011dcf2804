"""Augmentations that mix two images, and their labels alike."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from robust.perturb import ImageRandom, made_of, operations
from robust.values.numbers import is_number

#: from images in [0, 1], shape (batch, channels, height, width), to such images
Augment = Callable[[Tensor, ImageRandom], Tensor]
_QUANTILES = 4096  # of the distribution of shares, between which lies a straight line


class Mixing:
    """Mixes each image with a partner; their shares are drawn from a Beta distribution with both parameters `alpha`, a
    number above 0: 1 draws all shares alike, less of it mostly shares near 0 and 1. `first` is an augmentation that
    both images go through before. Raises ValueError for another `alpha`.

    Called with images in [0, 1], shape (batch, channels, height, width), and an `ImageRandom`, it returns such images
    as they are before they are mixed.
    """

    def __init__(self, *, alpha: float = 1.0, first: Augment | None = None):
        if not (is_number(alpha) and alpha > 0):
            raise ValueError(f"`data.augment.alpha` must be a number above 0; got {alpha}.")
        from scipy.special import betaincinv

        quantiles = betaincinv(alpha, alpha, np.linspace(0, 1, _QUANTILES + 1))
        self.first = first
        self.made_of = {**operations(type(self).__name__.lower()), **made_of(first)}
        self._quantiles = torch.from_numpy(quantiles).float()

    def __call__(self, images: Tensor, random: ImageRandom) -> Tensor:
        return images if self.first is None else self.first(images, random)

    def mix(self, images: Tensor, partners: Tensor, random: ImageRandom) -> tuple[Tensor, Tensor]:
        """The images mixed with their partners, all of shape (batch, channels, height, width) in [0, 1], and the share
        of each image in its mixture, float from 0 to 1 of shape (batch,); the rest is its partner's."""
        raise NotImplementedError

    def shares(self, random: ImageRandom) -> Tensor:
        """A share for each image, float from 0 to 1 of shape (batch,)."""
        quantiles = self._quantiles = self._quantiles.to(random.device)
        place = random.uniform() * _QUANTILES
        below = place.long()
        return quantiles[below].lerp(quantiles[below + 1], place - below)


class Mixup(Mixing):
    """Blends each image with its partner (Zhang et al. 2018, arXiv 1710.09412); see `Mixing`."""

    def mix(self, images: Tensor, partners: Tensor, random: ImageRandom) -> tuple[Tensor, Tensor]:
        shares = self.shares(random)
        own = shares[:, None, None, None]
        return own * images + (1 - own) * partners, shares


class CutMix(Mixing):
    """Puts a box of its partner into each image, at the same place, of the picture's proportions and wholly within
    (Yun et al. 2019, arXiv 1905.04899); see `Mixing`. Shares are those of the area."""

    def mix(self, images: Tensor, partners: Tensor, random: ImageRandom) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        side = (1 - self.shares(random)).sqrt()
        inside, area = [], torch.ones_like(side)
        for size in (height, width):
            length = (side * size).round()
            start = (random.uniform() * (size - length + 1)).floor()
            places = torch.arange(size, device=images.device)
            inside.append((places >= start[:, None]) & (places < (start + length)[:, None]))
            area = area * length / size
        box = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return torch.where(box, partners, images), 1 - area
