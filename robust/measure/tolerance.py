"""The level that a network tolerates: where its accuracy, as the level changes, crosses a target.

Accuracy falls from that on natural images to that of a guess as a normal distribution over the logarithm of the level
(a probit curve with both ends given), fitted by its likelihood; its interval is the images', resampled. Source: Finney
1971, Probit Analysis, whose rotenone data are a test.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from robust.errors import check
from robust.measure.intervals import paired, percentile, resampled_means

_STEPS, _ENOUGH = 60, 1e-9  # of Fisher's scoring; when no estimate moves any more
_LEAST = 1e-4  # of a share, so that none weighs without bound
_STEEPEST = 50.0  # standard deviations for each factor of e
_FEWEST = 3  # levels that a curve goes through
_HALF = 0.5 - 1e-6  # of the images, summed in float32


class Curve(NamedTuple):
    """Probit curves over the logarithm of a level, a row for each: intercept and slope, accuracy at no level and that
    of a guess, all of shape (rows,)."""

    intercept: np.ndarray
    slope: np.ndarray
    natural: np.ndarray
    guess: np.ndarray

    def accuracy(self, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """At these levels, shape (rows, levels)."""
        normal = self.intercept[:, None] + self.slope[:, None] * np.log(levels)
        return self.guess[:, None] + (self.natural - self.guess)[:, None] * ndtr(normal)

    def crossing(self, target: float | np.ndarray) -> np.ndarray:
        """The logarithm of the level at which accuracy is the target: infinite where it never is."""
        share = (target - self.guess) / (self.natural - self.guess)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (ndtri(np.clip(share, 0, 1)) - self.intercept) / self.slope


class Tolerated(NamedTuple):
    """A tolerated level, with its 95 % interval. An end of the range of levels that were tested stands for all beyond:
    where `level` is one, accuracy did not cross the target there. `misfit`: by how much the curve is off at the level
    where it is most."""

    level: float
    low: float
    high: float
    misfit: float


def fitted(
    levels: Sequence[float], accuracy: np.ndarray, natural: np.ndarray, *, guess: float, counts: Sequence[float] = ()
) -> Curve:
    """The likeliest curve of each row of accuracies at these levels, shape (rows, levels), from `natural`, shape
    (rows,), down to a `guess`. `counts`: how many images each level had, where not all had as many. Fractions. Raises
    ValueError for fewer than three levels, and for one that is not above 0."""
    check("levels", list(levels), "at least three different ones", len({*levels}) >= _FEWEST)
    check("levels", list(levels), "numbers above 0", min(levels) > 0)
    places, weights = np.log(np.asarray(levels, dtype=float)), np.asarray(counts or [1.0] * len(levels))
    natural = np.maximum(np.asarray(natural, dtype=float), guess + _LEAST)
    height = (natural - guess)[:, None]
    share = np.clip((accuracy - guess) / height, _LEAST, 1 - _LEAST)
    slope, intercept = _line(places, ndtri(share), np.broadcast_to(weights, share.shape))
    for _ in range(_STEPS):
        normal = np.clip(intercept[:, None] + slope[:, None] * places, -6, 6)
        expected = np.clip(guess + height * ndtr(normal), _LEAST, 1 - _LEAST)
        steep = height * np.exp(-normal * normal / 2) / np.sqrt(2 * np.pi)
        steep = np.maximum(steep, 1e-8)
        working = normal + np.clip((accuracy - expected) / steep, -2, 2)
        new_slope, new_intercept = _line(places, working, weights * steep**2 / (expected * (1 - expected)))
        new_slope = np.clip(new_slope, -_STEEPEST, _STEEPEST)
        moved = np.abs(new_slope - slope).max() + np.abs(new_intercept - intercept).max()
        slope, intercept = new_slope, new_intercept
        if moved < _ENOUGH:
            break
    return Curve(intercept, slope, natural, np.full_like(natural, guess))


def tolerated(
    levels: Sequence[float],
    correct: np.ndarray,
    natural: np.ndarray,
    target: float,
    *,
    guess: float,
    weights: Sequence[np.ndarray],
    more_is_worse: bool = True,
) -> tuple[Tolerated, np.ndarray]:
    """The level at which accuracy crosses a target, the most, or where less is worse the least; and its logarithm on
    each resample of the images, cut off at the ends of the range of levels.

    `correct`: how often each image was recognised at each level, the mean over its trials, shape (levels, images);
    `natural`: whether it was unperturbed, shape (images,); `weights`: of resamples (see `resampling_weights`), the same
    for models that are to be compared. All fractions.
    """
    every = np.concatenate([natural[None], correct])
    once, again = every.mean(axis=1), resampled_means(every, weights).astype(float)
    curve = fitted(levels, once[None, 1:], once[:1], guess=guess)
    misfit = float(np.abs(curve.accuracy(levels)[0] - once[1:]).max())
    level = float(_crossings(curve, target, levels, more_is_worse=more_is_worse)[0])
    curves = fitted(levels, again[1:].T, again[0], guess=guess)
    resampled = _crossings(curves, target, levels, more_is_worse=more_is_worse)
    low, high = percentile(resampled)
    return Tolerated(float(np.exp(level)), float(np.exp(low)), float(np.exp(high)), misfit), resampled


def median_limit(
    levels: Sequence[float], falls: np.ndarray, weights: Sequence[np.ndarray]
) -> tuple[Tolerated, np.ndarray]:
    """The level by which half of the images have fallen, and its logarithm on each resample of the images, as
    `tolerated` gives them, but from no curve (misfit NaN). `levels`: the least harmful first; `falls`, shape (images,):
    see `limits.falls`. A median image that is wrong unperturbed stands at the first level, one that never falls at the
    last."""
    ends = np.log([levels[0], *levels, levels[-1]])
    each = falls == np.arange(len(ends))[:, None]
    resampled = ends[(resampled_means(each, weights).cumsum(axis=0) >= _HALF).argmax(axis=0)]
    level = ends[(each.mean(axis=1).cumsum() >= _HALF).argmax()]
    low, high = percentile(resampled)
    return Tolerated(float(np.exp(level)), float(np.exp(low)), float(np.exp(high)), np.nan), resampled


def tolerated_ratio(
    first: Sequence[tuple[Tolerated, np.ndarray]], second: Sequence[tuple[Tolerated, np.ndarray]]
) -> tuple[float, float, float]:
    """How many times the level of the second models the first ones tolerate, and the ends of its 95 % interval, paired
    over the images and, of several pairs, over the seeds (see `intervals.paired`)."""
    pairs = list(zip(first, second, strict=True))
    differences = np.log([one.level / two.level for (one, _), (two, _) in pairs])
    resampled = np.mean([one - two for (_, one), (_, two) in pairs], axis=0)
    if len(pairs) == 1:
        low, high = percentile(resampled)
        return float(np.exp(differences[0])), float(np.exp(low)), float(np.exp(high))
    middle, low, high = np.exp(paired(differences, resampled))
    return float(middle), float(low), float(high)


def _crossings(curve: Curve, target: float, levels: Sequence[float], *, more_is_worse: bool) -> np.ndarray:
    """Where curves cross the target, within the range of levels: one that is nowhere so high at the end that does no
    harm, one that is nowhere so low, or rises where it should fall, at the other."""
    least, most = float(np.log(min(levels))), float(np.log(max(levels)))
    harmless, harmful = (least, most) if more_is_worse else (most, least)
    falls = curve.slope < 0 if more_is_worse else curve.slope > 0
    above = curve.accuracy(np.exp([(least + most) / 2]))[:, 0] > target
    places = np.where(falls, curve.crossing(target), np.where(above, harmful, harmless))
    places = np.where(target >= curve.natural, harmless, np.where(target <= curve.guess, harmful, places))
    return np.clip(places, least, most)


def _line(places: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of the weighted line through each row of values."""
    total = weights.sum(axis=1, keepdims=True)
    middle = (weights * places).sum(axis=1, keepdims=True) / total
    mean = (weights * values).sum(axis=1, keepdims=True) / total
    spread = (weights * (places - middle) ** 2).sum(axis=1)
    slope = (weights * (places - middle) * (values - mean)).sum(axis=1) / np.maximum(spread, 1e-12)
    return slope, (mean - slope[:, None] * middle)[:, 0]
