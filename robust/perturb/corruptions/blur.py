"""The corruptions that blur: gaussian, defocus, glass, motion and zoom blur."""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.corruptions.corruption import Corruption
from robust.perturb.filters import filtered, gaussian_matrix, gaussian_weights, shifts_matrix
from robust.perturb.random import ImageRandom

_WIDE = 8  # a disk of a greater radius is smoothed over five pixels, others over three, and has a grid of its own
_EXACT = 1e-7  # of a kernel, at most, that is left out
_TINY = 1e-4  # of the weight of a pixel, that is left out
_ANGLE = 45.0  # degrees, of motion, at most


class GaussianBlur(Corruption):
    """Blurs with a Gaussian: `gaussian_blur`. Beyond the border its pixels go on."""

    name = "gaussian_blur"
    random = False

    def corrupt(self, images: Tensor, sigma: float) -> Tensor:
        return blurred(images, sigma)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images blurred by a Gaussian of standard deviation `sigma` > 0 pixels; beyond the border its pixels go on."""
    return filtered(images, *(gaussian_matrix(size, sigma, outside="nearest") for size in images.shape[2:]))


class DefocusBlur(Corruption):
    """Blurs with a disk of a `radius` in pixels, itself smoothed by a Gaussian of standard deviation `alias`:
    `defocus_blur`. Beyond the border lies the mirror image."""

    name = "defocus_blur"
    random = False

    def corrupt(self, images: Tensor, radius: float, alias: float) -> Tensor:
        total = torch.zeros_like(images)
        for down, across in _defocus_matrices(radius, alias, *images.shape[2:]):
            total += filtered(images, down, across)
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
            shifts_matrix(columns[:, one] * sizes[one], -reach, height, "mirror"),
            shifts_matrix(rows[one], -reach, width, "mirror"),
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
    smooth = shifts_matrix(gaussian_weights(alias, near), -near, len(places), "mirror")
    return smooth @ (inside / inside.sum()) @ smooth.T


class GlassBlur(Corruption):
    """Blurs, then gives pixels the values of near ones, one after the other from below, some times over, and blurs
    again: `glass_blur`."""

    name = "glass_blur"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        _, near, times = constants
        return {"moves": random.small_integers(2 * round(near), round(times), 2, *shape[1:]).sub_(round(near))}

    def corrupt(self, images: Tensor, sigma: float, near: float, _: float, *, moves: Tensor) -> Tensor:
        places = shuffled(moves, round(near))
        blurry = blurred(images, sigma).flatten(2)
        moved = blurry.gather(2, places[:, None].expand(-1, images.shape[1], -1)).view_as(images)
        return blurred(moved, sigma)


def shuffled(moves: Tensor, near: int) -> Tensor:
    """Where each pixel's value comes from, shape (batch, height x width), counted row by row.

    `moves`, whole numbers from -`near` to `near` - 1, shape (batch, times, 2, height, width), say for each pixel how
    many rows down and columns to the right the one lies whose value it takes. Pixels take them one after the other,
    from the last row up and from the last column to the left, the first and last ones of each left out; so a value may
    go on from pixel to pixel.
    """
    batch, times, _, height, width = moves.shape
    first = torch.arange(height * width, device=moves.device).expand(batch, -1).view(batch, height, width)
    if min(height, width) <= 2 * near:
        return first.flatten(1)
    places = _taken(moves[:, 0], near, first).flatten(1)
    for time in range(1, times):
        places = places.gather(1, _taken(moves[:, time], near, first).flatten(1))
    return places


def _taken(moves: Tensor, near: int, first: Tensor) -> Tensor:
    """The same of one time over, shape (batch, height, width); `first` counts the pixels."""
    batch, height, width = first.shape
    down, across = moves.unbind(1)
    taken = first.clone()
    if near == 1:  # all take from above or the left, where nothing has changed yet
        inner = slice(2, height), slice(2, width)
        taken[:, *inner] += down[:, *inner].int() * width + across[:, *inner]
        return taken
    columns = torch.arange(near + 1, width - near + 1, device=moves.device)
    for row in range(height - near, near, -1):
        dy, dx = (one[:, row, near + 1 : width - near + 1].long() for one in (down, across))
        line = taken[:, row].clone()  # in this row: where a value comes from, or in which column to look for it
        waits = (dy == 0) & (dx > 0)
        flat = (row + dy) * width + columns + dx
        line[:, columns] = torch.where(dy > 0, taken.flatten(1).gather(1, flat), flat)
        target = torch.arange(width, device=moves.device).repeat(batch, 1)
        target[:, columns] = torch.where(waits, columns + dx, columns)
        for _ in range(width.bit_length()):
            target = target.gather(1, target)
        taken[:, row] = line.gather(1, target)
    return taken


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
    channels, height, width = images.shape[1:]
    steps = torch.arange(2 * radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    steps = steps[weights >= _TINY * weights[0]].to(angle.device)
    turned = torch.deg2rad(angle.double())[:, None]
    down, across = ((steps * one - 0.5).ceil().long() for one in (turned.sin(), turned.cos()))
    (top, bottom), (left, right) = ((-one.amin().clamp_max(0), one.amax().clamp_min(0)) for one in (down, across))
    sides = [int(one) for one in (left, right, top, bottom + 1)]  # one row more than any step reaches
    padded = functional.pad(images, sides, mode="replicate").contiguous()
    row, length = padded.shape[3], (height - 1) * padded.shape[3] + width
    passed = (down + top) * row + across + left  # pixels, counted row by row
    total = _summed(padded.flatten(2), passed, weights[: len(steps)].to(images), length)
    return total.as_strided(images.shape, (channels * length, length, row, 1))


def _summed(values: Tensor, firsts: Tensor, weights: Tensor, length: int) -> Tensor:
    """Sums of pieces of rows of `values`, shape (batch, channels, n), each so long: of those that begin at an image's
    `firsts`, shape (batch, pieces), each times its weight, shape (pieces,). None ends with a row."""
    batch, channels, count = values.shape
    if values.requires_grad:
        total = values.new_zeros(batch, channels, length)
        for first, weight in zip(firsts.unbind(1), weights, strict=True):
            places = first[:, None, None] + torch.arange(length, device=first.device)
            total = total + weight * values.gather(2, places.expand(-1, channels, -1))
        return total
    starts = torch.arange(batch * channels, device=firsts.device).view(batch, channels, 1) * count
    starts = (starts + firsts[:, None]).flatten(0, 1)
    every = values.as_strided((values.numel() - length + 1, length), (1, 1))  # all pieces, without a copy, and
    unused = len(every) - 1  # with a `padding_idx` none is made to sum them either
    each = weights.expand_as(starts)
    return functional.embedding_bag(starts, every, mode="sum", per_sample_weights=each, padding_idx=unused)


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
            total += filtered(images, *(zoom_matrix(size, factor) for size in images.shape[2:]))
        return total / (count + 1)


@functools.lru_cache(maxsize=256)
def zoom_matrix(size: int, factor: float) -> Tensor:
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
