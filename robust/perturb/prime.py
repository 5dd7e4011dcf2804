"""PRIME: smooth random changes of place, of colour and of frequencies. Source: Modas et al. 2022 (arXiv 2112.13547).

Constants are those published for CIFAR. Every image has fields, curves and filters of its own; in the published code
those of a batch share their strengths.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.base import Perturbation, check_level
from robust.perturb.mixture import Chains, Choice
from robust.perturb.random import ImageRandom
from robust.perturb.sampling import sampled

_CUT = 100  # the highest frequency, of places and of colours
_LOWEST_CUT = 2  # of places
_COLOUR = 0.01  # the greatest mean square of a colour's coefficients
_FILTER = 4.0  # the greatest standard deviation of a filter's weights
_CURVE = 2048  # points of a curve, between which lies a straight line: within 3e-4 of the sum of sines
_UNIT = "how strong it is, as a share of what was published, from 0 to 1"


class _Primitive(Perturbation):
    """A change whose size is multiplied by `level`, from 0 to 1. Raises ValueError for another one."""

    def __init__(self, *, level: float = 1.0):
        super().__init__()
        self.level = check_level("level", level, _UNIT, most=1)


class Diffeomorphism(_Primitive):
    """Moves each place of a picture a little, smoothly: by sums of sines up to a frequency that is drawn, of a mean
    displacement that is drawn between half a pixel and the most that folds nothing."""

    name = "diffeomorphism"
    moves = True

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`displacements`, in pixels along x and y: shape (batch, 2, height, width)."""
        _, height, width = shape
        side = min(height, width)
        highest = _LOWEST_CUT + 1 + random.integers(_CUT - _LOWEST_CUT)
        cut = (_LOWEST_CUT + _arcsine(random.uniform()) * (highest + 1 - _LOWEST_CUT)).long().clamp(max=_CUT)
        log = (cut + 1e-6).double().log()
        least, most = 1 / (math.pi * side**2 * log), 4 / (math.pi**3 * (cut + 1e-6) ** 2 * log)
        temperature = least + (most.maximum(least) - least) * _arcsine(random.uniform())
        spread, down, across = _modes(height, width, random.device)
        coefficients = random.normal(2, *spread.shape[1:]).double() * spread[cut - _LOWEST_CUT][:, None]
        fields = down @ coefficients @ across.T  # in double precision: alike in a batch of any size
        return {"displacements": (self.level * side * temperature.sqrt()[:, None, None, None] * fields).float()}

    def apply_transform(self, images: Tensor, *, displacements: Tensor) -> Tensor:
        if not self.level or not len(images):
            return images.clone()
        height, width = images.shape[-2:]
        wide = images.dtype if images.dtype == torch.float64 else torch.float32
        y, x = (torch.arange(size, device=images.device, dtype=wide) for size in (height, width))
        moved = (x - displacements[:, 0], y[:, None] - displacements[:, 1])
        places = [at * 2 / max(1, size - 1) - 1 for at, size in zip(moved, (width, height), strict=True)]
        found = sampled(images.to(wide), torch.stack(places, 1).to(wide), outside="border", middles=True)
        return found.clamp(0, 1).to(images.dtype)


class ColourCurve(_Primitive):
    """Changes the values of each channel by a curve: by a sum of sines up to a frequency that is drawn."""

    name = "colour_curve"

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`coefficients` of the sines, shape (batch, channels, frequencies)."""
        cut, mean_square = random.integers(_CUT) + 1, _COLOUR * random.uniform()
        there = torch.arange(1, _CUT + 1, device=random.device) <= cut[:, None]
        size = self.level * mean_square.sqrt()[:, None, None]
        return {"coefficients": random.normal(shape[0], _CUT) * there[:, None] * size}

    def apply_transform(self, images: Tensor, *, coefficients: Tensor) -> Tensor:
        if not self.level or not len(images):
            return images.clone()
        curves = (coefficients.double() @ _sines(images.device)).to(images.dtype)
        values = images.flatten(2) * _CURVE
        below = values.detach().long().clamp(0, _CURVE - 1)
        change = curves.gather(2, below).lerp(curves.gather(2, below + 1), values - below)
        return (images + change.view_as(images)).clamp(0, 1)


class RandomFilter(_Primitive):
    """Filters each picture by 3 x 3 weights, all normal, and 1 more in the middle, of a standard deviation that is
    drawn; the same for all channels. Outside a picture is black."""

    name = "random_filter"

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`weights`, shape (batch, 3, 3)."""
        weights = self.level * _FILTER * random.uniform()[:, None, None] * random.normal(3, 3)
        weights[:, 1, 1] += 1
        return {"weights": weights}

    def apply_transform(self, images: Tensor, *, weights: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded, weights = functional.pad(images, (1, 1, 1, 1)), weights.to(images.dtype)
        found = torch.zeros_like(images)
        for row in range(3):
            for column in range(3):
                shifted = padded[:, :, row : row + height, column : column + width]
                found = found + weights[:, row, column, None, None, None] * shifted
        return found.clamp(0, 1)


class Prime(Chains):
    """Blends an image with chains of `Diffeomorphism`, `ColourCurve` and `RandomFilter` (see `Chains`), whose sizes are
    multiplied by `level`, from 0 to 1. Source: Modas et al. 2022 (arXiv 2112.13547)."""

    name = "prime"

    def __init__(self, *, level: float = 1.0, chains: int = 3, longest: int = 3):
        ways: list[_Primitive] = [one(level=level) for one in (Diffeomorphism, ColourCurve, RandomFilter)]
        each = Choice([[way] for way in ways], level=ways[0].level)
        super().__init__(each=each, chains=chains, longest=longest)


def _arcsine(uniform: Tensor) -> Tensor:
    """Values in [0, 1] of a Beta distribution with both parameters 1/2."""
    return (math.pi / 2 * uniform).sin() ** 2


@functools.lru_cache(maxsize=8)
def _modes(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The sines of random fields: the standard deviations of their coefficients for each cut, shape (cuts, n, m), and
    the sines down, shape (height, n), and across, shape (width, m), float64.

    Of more frequencies than a side has pixels several show the same values at these pixels, but for a sign: their
    variances are added up, which is the same distribution from fewer numbers.
    """
    frequency = torch.arange(1, _CUT + 1, device=device, dtype=torch.float64)
    length = (frequency[:, None] ** 2 + frequency**2).sqrt()
    cuts = torch.arange(_LOWEST_CUT, _CUT + 1, device=device)
    variance = (length < cuts[:, None, None] + 0.5) / length**2
    (down, rows), (across, columns) = (_shown(size, device) for size in (height, width))
    return (rows.T @ variance @ columns).sqrt(), down, across


def _shown(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The different sines at so many pixels, shape (size, n), and which of them each frequency is, one-hot, shape
    (frequencies, n); none where it is 0 at all pixels."""
    period = 2 * max(1, size - 1)
    place = torch.arange(1, _CUT + 1) % period
    place = torch.minimum(place, period - place)
    different = torch.arange(1, max(2, min(size - 1, _CUT + 1)))
    which = (place[:, None] == different).double() * (size > 2)
    x = torch.linspace(0, 1, size, dtype=torch.float64)
    return (math.pi * x[:, None] * different).sin().to(device), which.to(device)


@functools.lru_cache(maxsize=8)
def _sines(device: torch.device) -> Tensor:
    """Sines of each frequency at the points of a curve, float64 of shape (frequencies, points)."""
    x = torch.linspace(0, 1, _CURVE + 1, dtype=torch.float64, device=device)
    return (math.pi * torch.arange(1, _CUT + 1, device=device)[:, None] * x).sin()
