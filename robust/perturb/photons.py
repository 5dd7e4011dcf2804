"""Photons counted: Poisson numbers, from one random word each, or read with noise, from one normal value each.

Source: Walker 1977, "An efficient method for generating discrete random variables with general distributions" (ACM
Transactions on Mathematical Software 3), with the tables made as by Vose 1991 (IEEE Transactions on Software
Engineering 17).
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

from robust.errors import check

#: how many steps there are from black to white: four to each of the 255 of a picture in 8 bits
STEPS = 1020
_STEP_BITS, _PLACE_BITS, _SHARE_BITS = 7, 9, 16  # of a word: what each part of it decides
_REACH = 6.5  # standard deviations from the mean, and
_MORE = 8  # counts beyond, that there are: others are rarer than one in 10**9
#: photons at white, at most, that can be counted: of more there are more counts than _PLACE_BITS can tell
COUNTABLE = 1400.0
_LEAST = 0.02  # of a variance, so that what is left of it has a root, and that a gradient


def counted(images: Tensor, photons: float, words: Tensor) -> Tensor:
    """Poisson counts of means `photons` times the values of float32 images in [0, 1]: float32, of the same shape.

    `words` are random, int32, of the images' shape (`ImageRandom.words`). Values go to one of the two nearest of STEPS,
    the nearer the likelier, so that their mean is kept; those of pictures in 8 bits are on a step. Raises ValueError
    for more than 1,400 photons at white.
    """
    check("photons", photons, f"above 0, and at most {COUNTABLE:g}", 0 < photons <= COUNTABLE)
    chances, places = _table(photons)
    chances = chances.to(images.device)
    below = (words & ((1 << _STEP_BITS) - 1)).float().add_(0.5).div_(1 << _STEP_BITS)
    step = below.add_(images, alpha=STEPS).int()
    place = (words >> _STEP_BITS).bitwise_and_(places - 1)
    known = chances.index_select(0, (step * places).add_(place).flatten()).view_as(place)
    share = (words >> _SHARE_BITS).bitwise_and_((1 << _SHARE_BITS) - 1)
    other = known >> _SHARE_BITS
    kept = share.sub_(known.bitwise_and_((1 << _SHARE_BITS) - 1)).bitwise_right_shift_(31)  # all bits where so, or none
    place += other.bitwise_and_(kept.bitwise_not_())
    return step.float().mul_(photons / STEPS).floor_().add_(place).sub_(places // 2)


def counted_and_read(means: Tensor, variance: float, normal: Tensor) -> Tensor:
    """Poisson counts of these means, at least 0, and with them Gaussian noise of a variance, from one standard normal
    value each.

    Mean and variance are the sum's, and the third moment to a 50th of a count cubed (after Cornish and Fisher 1938,
    "Moments and cumulants in the specification of distributions"): the chance of being below any bound is the sum's to
    0.4 % from a variance of 1 on, to 0.04 % from 9 on.
    """
    both = means + max(variance, _LEAST)
    skew = (means / both).div_(6)
    spread = torch.addcmul(both, skew, skew, value=-2).sqrt_()
    return (means - skew).addcmul_(normal, torch.addcmul(spread, skew, normal))


@functools.lru_cache(maxsize=32)
def _table(photons: float) -> tuple[Tensor, int]:
    """For each step and place (how many there are, a power of two), int32: in its low 16 bits the share of the words
    that keep to the place's count, in its high ones how much greater the others' count is. The count of a place is the
    whole part of the step's mean, plus the place, less half of their number."""
    half = math.ceil(_REACH * math.sqrt(photons)) + _MORE
    places = 1 << (2 * half - 1).bit_length()
    means = torch.arange(STEPS + 1).float().mul_(photons / STEPS)  # as above, to the last bit
    counts = means.floor()[:, None].double() + torch.arange(places) - places // 2
    mean = torch.arange(STEPS + 1).double()[:, None] * photons / STEPS
    logarithm = torch.xlogy(counts, mean) - mean - torch.lgamma(counts.clamp_min(0) + 1)
    likely = logarithm.exp().where(counts >= 0, 0).numpy()
    kept, other = _walker(likely / likely.sum(1, keepdims=True))
    share = (kept * (1 << _SHARE_BITS)).round().clip(0, (1 << _SHARE_BITS) - 1).astype(np.int64)
    greater = other - np.arange(places)
    return torch.from_numpy((greater << _SHARE_BITS) + share).int().flatten(), places


def _walker(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For rows of chances that add up to 1, shape (n, places): how often each place, all drawn alike, keeps to itself,
    and which other one it gives else."""
    n, places = chances.shape
    order = np.argsort(chances, axis=1, kind="stable")
    value = np.take_along_axis(chances, order, 1) * places
    kept, other = np.ones_like(value), np.tile(np.arange(places), (n, 1))
    small = (value < 1).sum(1)
    now, following, large = np.where(small > 0, 0, places), np.ones(n, dtype=int), small.copy()
    while len(rows := ((now < places) & (large < places)).nonzero()[0]):
        lacks, gives = now[rows], large[rows]
        kept[rows, lacks], other[rows, lacks] = value[rows, lacks], gives
        value[rows, gives] -= 1 - value[rows, lacks]
        fell = value[rows, gives] < 1
        rest = np.where(following[rows] < small[rows], following[rows], places)
        now[rows] = np.where(fell, gives, rest)
        following[rows] += ~fell
        large[rows] += fell
    back = np.empty_like(order)
    np.put_along_axis(back, order, np.tile(np.arange(places), (n, 1)), 1)
    of_others = np.take_along_axis(order, other, 1)
    return np.take_along_axis(kept, back, 1), np.take_along_axis(of_others, back, 1)
