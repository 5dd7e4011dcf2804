"""Pictures out of focus or moved while they were taken: the corruptions gaussian, defocus, motion and zoom blur."""

import functools
import math
from typing import Literal

import torch
from torch import Tensor

from robust.perturb.common.base import Corruption
from robust.perturb.random import ImageRandom

_CUT = 4.0  # standard deviations that a Gaussian reaches
_WIDE = 8  # a disk of a greater radius is smoothed over five pixels, others over three, and has a grid of its own
_EXACT = 1e-7  # of a kernel, at most, that is left out
_TINY = 1e-4  # of the weight of a pixel, that is left out
_ANGLE = 45.0  # degrees, of motion, at most


Outside = Literal["nearest", "mirror", "reflect"]


def within(places: Tensor, size: int, outside: Outside) -> Tensor:
    """Where in a row of so many pixels lies what is at these places: beyond its ends the last pixel (`nearest`), or the
    row mirrored about its last pixel (`mirror`) or about that one's edge (`reflect`)."""
    if outside == "nearest" or size == 1:
        return places.clamp(0, size - 1)
    last = 2 * size - (1 if outside == "reflect" else 2)
    period = last + (outside == "reflect")
    places = places % period
    return torch.where(places < size, places, last - places)


def shifts_matrix(weights: Tensor, first: int, size: int, *, outside: Outside) -> Tensor:
    """The float64 matrix, shape (size, size), that gives each pixel of a row the sum of its neighbours from `first` on,
    by these `weights`; `outside` as in `within`."""
    sources = within(torch.arange(size)[:, None] + torch.arange(first, first + len(weights)), size, outside)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, sources, weights.expand(size, -1))


def gaussian_weights(sigma: float, radius: int) -> Tensor:
    """A Gaussian's weights at the whole pixels up to a radius, float64, shape (2 radius + 1,); they add up to 1."""
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1).double() / max(sigma, 1e-9)) ** 2)
    return weights / weights.sum()


class CommonBlur(Corruption):
    """Blurs with a Gaussian: `gaussian_blur`. Beyond the border its pixels go on."""

    name = "gaussian_blur"
    random = False

    def corrupt(self, images: Tensor, sigma: float) -> Tensor:
        height, width = (_gaussian_matrix(size, sigma).to(images) for size in images.shape[2:])
        return height @ (images @ width.T)


@functools.lru_cache(maxsize=64)
def _gaussian_matrix(size: int, sigma: float) -> Tensor:
    radius = int(_CUT * sigma + 0.5)
    return shifts_matrix(gaussian_weights(sigma, radius), -radius, size, outside="nearest")


class DefocusBlur(Corruption):
    """Blurs with a disk of a `radius` in pixels, itself smoothed by a Gaussian of standard deviation `alias`:
    `defocus_blur`. Beyond the border lies the mirror image."""

    name = "defocus_blur"
    random = False

    def corrupt(self, images: Tensor, radius: float, alias: float) -> Tensor:
        total = torch.zeros_like(images)
        for height, width in _defocus_matrices(radius, alias, *images.shape[2:]):
            total += height.to(images) @ (images @ width.to(images).T)
        return total


@functools.lru_cache(maxsize=16)
def _defocus_matrices(radius: float, alias: float, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """The disk as a sum of products of a filter of columns and one of rows: two products of matrices each are faster
    than its convolution."""
    kernel = disk(radius, alias)
    reach = len(kernel) // 2
    columns, sizes, rows = torch.linalg.svd(kernel)
    return [
        (
            shifts_matrix(columns[:, one] * sizes[one], -reach, height, outside="mirror"),
            shifts_matrix(rows[one], -reach, width, outside="mirror"),
        )
        for one in range(len(sizes))
        if sizes[one] > _EXACT
    ]


def disk(radius: float, alias: float) -> Tensor:
    """The kernel of an image out of focus, float64, square, of an odd number of pixels: a disk whose pixels add up to
    1, smoothed. (Where its rim reaches the grid's end, what is mirrored there adds to it, as published.)"""
    reach = _WIDE if radius <= _WIDE else math.ceil(radius)
    places = torch.arange(-reach, reach + 1).double()
    inside = (places.square()[:, None] + places.square() <= radius**2).double()
    near = 1 if radius <= _WIDE else 2
    smooth = shifts_matrix(gaussian_weights(alias, near), -near, len(places), outside="mirror")
    return smooth @ (inside / inside.sum()) @ smooth.T


class MotionBlur(Corruption):
    """Moves each picture while it is taken, in a direction of its own between 45 degrees up and down: `motion_blur`,
    the half of a Gaussian of standard deviation `sigma` along a line. Beyond the border its pixels go on."""

    name = "motion_blur"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"angle": (2 * random.uniform() - 1) * _ANGLE}

    def corrupt(self, images: Tensor, radius: float, sigma: float, *, angle: Tensor) -> Tensor:
        return motion_blur(images, round(radius), sigma, angle)


def motion_blur(images: Tensor, radius: int, sigma: float, angle: Tensor) -> Tensor:
    """Images moved along an `angle` in degrees, shape (batch,), as ImageMagick moves them: 2 radius + 1 pixels of a
    line, each nearest to it, with the weights of half a Gaussian."""
    height, width = images.shape[2:]
    steps = torch.arange(2 * radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    turned = torch.deg2rad(angle.double())
    total, flat = torch.zeros_like(images), images.flatten(2)
    rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
    for step, weight in enumerate(weights.tolist()):
        if weight < _TINY * weights[0]:
            break
        across, down = (-(step * one - 0.5).ceil().long() for one in (turned.cos(), turned.sin()))
        places = (rows + down[:, None]).clamp(0, height - 1)[:, :, None] * width
        places = places + (columns + across[:, None]).clamp(0, width - 1)[:, None]
        total += weight * flat.gather(2, places.flatten(1)[:, None].expand_as(flat)).view_as(images)
    return total


class ZoomBlur(Corruption):
    """Takes the mean of a picture and of its middle at growing sizes, up to a `greatest` one in equal steps:
    `zoom_blur`."""

    name = "zoom_blur"
    random = False

    def corrupt(self, images: Tensor, greatest: float, step: float) -> Tensor:
        total = images.clone()
        count = round((greatest - 1) / step) + 1
        step = (1 + step) - 1  # rounded as NumPy's `arange` rounds it: it decides about a pixel
        for factor in (1 + step * one for one in range(count)):
            height, width = (_zoom_matrix(size, factor).to(images) for size in images.shape[2:])
            total += height @ (images @ width.T)
        return total / (count + 1)


@functools.lru_cache(maxsize=256)
def _zoom_matrix(size: int, factor: float) -> Tensor:
    """The float64 matrix, shape (size, size), that makes the middle of a row as long as all of it: between pixels
    linearly, the ends staying ends, and what is too long cut off evenly."""
    kept = math.ceil(size / factor)
    top, made = (size - kept) // 2, round(kept * factor)
    cut = (made - size) // 2
    places = (torch.arange(size).double() + cut) * ((kept - 1) / max(made - 1, 1))
    low = places.floor().clamp(0, kept - 1).long()
    share = places - low
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix.scatter_add_(1, top + low[:, None], (1 - share)[:, None])
    return matrix.scatter_add_(1, top + (low + 1).clamp_max(kept - 1)[:, None], share[:, None])
