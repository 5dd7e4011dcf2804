"""Normalisation as a model's first layer, so that everything outside a model sees images in [0, 1]."""

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

Per = Literal["feature", "channel", "none"]
_AXES: dict[Per, tuple[int, ...]] = {"feature": (0,), "channel": (0, 2, 3), "none": (0, 1, 2, 3)}


class Fitted(nn.Module):
    """A layer for images, shape (batch, channels, height, width), that holds what `fit` takes from those to be trained
    on, before anything is learnt."""

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes it from `batches` of images in [0, 1], each of such a shape."""
        raise NotImplementedError


class Standardize(Fitted):
    """Gives images, shape (batch, channels, height, width), zero mean and unit variance over those it was fitted to.

    `per="feature"`: each channel of each pixel position has its own statistics, and one that never varied becomes 0;
    `"channel"`: each channel; `"none"`: nothing is changed. Fresh statistics (mean 0, scale 1) change nothing either.
    Raises ValueError for another `per`. Source: Cavey et al. 2020 (arXiv 2004.03452).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, image_shape: tuple[int, int, int], per: Per = "feature"):
        super().__init__()
        if per not in _AXES:
            raise ValueError(f"`standardize` must be one of {', '.join(_AXES)}; got {per!r}.")
        self.per = per
        shape = [1 if axis + 1 in _AXES[per] else size for axis, size in enumerate(image_shape)]
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def forward(self, images: Tensor) -> Tensor:
        return images if self.per == "none" else (images - self.mean) * self.scale

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes the statistics of all `batches`, each of shape (batch, channels, height, width), in one pass and in
        float64."""
        if self.per == "none":
            return
        axes = _AXES[self.per]
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        low, high = torch.full((), math.inf), torch.full((), -math.inf)
        for batch in filter(len, batches):
            if batch.device.type == "mps":  # has no float64
                batch = batch.cpu()
            values = batch.double()
            count += math.prod(values.shape[axis] for axis in axes)
            total = total.to(values) + values.sum(axes, keepdim=True)[0]
            squares = squares.to(values) + values.square().sum(axes, keepdim=True)[0]
            low = torch.minimum(low.to(batch), batch.amin(axes, keepdim=True)[0])
            high = torch.maximum(high.to(batch), batch.amax(axes, keepdim=True)[0])
        if not count:
            raise ValueError("There are no images to take the mean and the spread of.")
        mean = total / count
        spread = (squares / count - mean.square()).clamp_min(0).sqrt()
        varies = (high > low) & (spread > 0)
        self.mean.copy_(mean)
        self.scale.copy_(
            torch.where(varies, 1 / spread.where(varies, torch.ones_like(spread)), torch.zeros_like(spread))
        )
