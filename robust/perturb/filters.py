"""Filters along the rows and columns of images, as matrices: of small images that is the fastest way."""

import functools
from typing import Literal

import torch
from torch import Tensor

#: what lies beyond the ends of a row: its last pixel (`nearest`), or the row mirrored about its last pixel (`mirror`,
#: d c b | a b c d | c b a) or about that one's edge (`reflect`, d c b a | a b c d | d c b a)
Outside = Literal["nearest", "mirror", "reflect"]


_ROWS = 16  # of a matrix, multiplied together
_FEW = 0.5  # of a matrix, at most, that is not left out, for that to be faster


def filtered(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Images, shape (batch, channels, height, width), whose columns are multiplied by the matrix `down`, shape (new
    height, height), and whose rows by `across`, shape (new width, width)."""
    dtype, device = images.dtype, images.device
    parts = [images[..., taken] @ some.T for taken, some in _parts(across, dtype, device)]
    wide = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
    parts = [some @ wide[..., taken, :] for taken, some in _parts(down, dtype, device)]
    return torch.cat(parts, -2) if len(parts) > 1 else parts[0]


@functools.lru_cache(maxsize=64)
def _parts(matrix: Tensor, dtype: torch.dtype, device: torch.device) -> tuple[tuple[slice, Tensor], ...]:
    """Some rows of a matrix after the other, each with the columns in which they are not zero; or all of it, where that
    is no faster."""
    parts = []
    for rows in matrix.split(_ROWS):
        used = rows.any(0).nonzero()
        taken = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        parts.append((taken, rows[:, taken].to(device, dtype)))
    few = sum(some.numel() for _, some in parts) <= _FEW * matrix.numel()
    return tuple(parts) if few and device.type == "cpu" else ((slice(None), matrix.to(device, dtype)),)


def shifts_matrix(weights: Tensor, first: int, size: int, outside: Outside) -> Tensor:
    """The float64 matrix, shape (size, size), that gives each pixel of a row the sum of its neighbours from `first` on,
    by these float64 `weights`."""
    offsets = torch.arange(first, first + len(weights))
    if outside == "nearest" or size == 1:
        sources = (torch.arange(size)[:, None] + offsets).clamp(0, size - 1)
    else:
        last = 2 * size - (1 if outside == "reflect" else 2)
        period = last + (outside == "reflect")  # offsets a whole number of periods apart reach the same place
        weights = torch.zeros(period, dtype=torch.float64).index_add_(0, offsets % period, weights)
        sources = (torch.arange(size)[:, None] + torch.arange(period)) % period
        sources = torch.where(sources < size, sources, last - sources)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, sources, weights.expand(size, -1))


def gaussian_weights(sigma: float, radius: int) -> Tensor:
    """A Gaussian of standard deviation `sigma` > 0 at the whole pixels up to a radius, float64, shape (2 radius + 1,);
    they add up to 1."""
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1).double() / sigma) ** 2)
    return weights / weights.sum()


@functools.lru_cache(maxsize=64)
def gaussian_matrix(size: int, sigma: float, *, outside: Outside = "reflect", cut: float = 4.0) -> Tensor:
    """The float64 matrix, shape (size, size), that blurs a row by a Gaussian of standard deviation `sigma` > 0 pixels,
    cut at so many of them."""
    radius = int(cut * sigma + 0.5)
    return shifts_matrix(gaussian_weights(sigma, radius), -radius, size, outside)
