"""An image out of focus."""

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.filters import filtered, gaussian_matrix

_WIDEST = 1000  # times as wide as an image: of one colour long before


def gaussian_blur(images: Tensor, sigma: float, *, channels: bool = False) -> Tensor:
    """Blurred images, as SciPy's `gaussian_filter` with mode `reflect` blurs them; with `channels`, along the channel
    axis too.

    A small image is blurred fastest by two matrix products. Shape (batch, channels, height, width), `sigma` in pixels.
    """
    if sigma == 0:
        return images.clone()
    blurred = filtered(images, *(gaussian_matrix(size, sigma) for size in images.shape[-2:]))
    if channels:
        depth = gaussian_matrix(images.shape[1], sigma).to(images)
        blurred = torch.einsum("dc,bchw->bdhw", depth, blurred)
    return blurred.clamp(0, 1)  # the weights' sum is 1 only up to rounding


class GaussianBlur(Perturbation):
    """Blurs with a Gaussian of standard deviation `sigma` (pixels, at least 0).

    With `channels=True` the channel axis is filtered too, so that colours bleed into each other, as in the published
    code of Cavey et al. 2020 (arXiv 2004.03452), section V-C; the text describes the spatial filter. Raises ValueError
    for another `sigma`, and for images that are less than a thousandth of it wide and high.
    """

    random = False

    def __init__(self, *, sigma: float, channels: bool = False):
        super().__init__()
        self.sigma = self.level = check_level("sigma", sigma, "the blur's standard deviation in pixels, e.g. 1.0")
        self.channels = channels
        self.name = "blur_channels" if channels else "blur"

    def check(self, shape: tuple[int, int, int]) -> None:
        _, height, width = shape
        if self.sigma > (most := _WIDEST * max(height, width)):
            raise ValueError(
                f"`sigma` must be at most {most}, {_WIDEST} times the longer side of a {height} x {width} image; got "
                f"{self.sigma:g}."
            )

    def apply_transform(self, images: Tensor) -> Tensor:
        return gaussian_blur(images, self.sigma, channels=self.channels)
