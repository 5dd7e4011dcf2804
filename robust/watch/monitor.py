"""A monitor: from unlabelled pictures, which perturbation at about which level, and how accurate the network is there.

As the level of a perturbation rises, the mean features of pictures move along a curve that begins where natural ones
lie. The monitor knows points of each curve, and the accuracy there. Pictures lie where the nearest point of all curves
is, in units of how features vary from picture to picture. How far their confidence lies from that point's corrects the
accuracy, by a regression among the pictures that the point is of.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from robust.measure import NATURAL
from robust.watch.features import FEATURES_OF_NETWORK

#: what pictures are called that lie near no curve
UNKNOWN = "unknown"
_SHRINKAGE = 0.05  # of the covariance, toward features that are independent
_RIDGE = 0.01  # of the regression of being right on confidence
_BEYOND = 0.6  # of the last step: how far a curve goes on after its last point
_LEAST = 1e-9  # of a curve's step
_STEPS = 20  # of a curve from one of its points to the next
_WINDOWS, _SELDOM = 300, 0.99  # of natural pictures, of which so many are to be called natural


class Sample(NamedTuple):
    """Pictures under a condition: its name and level, their features, shape (n, features), and of which the prediction
    is right, boolean of shape (n,)."""

    name: str
    level: float
    features: np.ndarray
    right: np.ndarray

    def windows(self, size: int, count: int) -> list[tuple[np.ndarray, float]]:
        """The mean features of so many of the pictures, drawn at random, and how many are right; `count` times."""
        random, n = np.random.default_rng(0), len(self.right)
        drawn = [random.choice(n, size, replace=size > n) for _ in range(count)]
        return [(self.features[some].mean(axis=0), float(self.right[some].mean())) for some in drawn]


class Look(NamedTuple):
    """What a monitor says of pictures: their condition and level (NaN where it is unknown), and the network's accuracy
    on them, with its 95 % interval, `low` to `high`, fractions (NaN likewise); how far they lie from the nearest curve,
    in standard deviations of one picture's features, and whether that is beyond its last point."""

    condition: str
    level: float
    accuracy: float
    low: float
    high: float
    distance: float
    beyond: bool


@dataclass(frozen=True, eq=False)
class Monitor:
    """Points of curves, the first of natural pictures, then those of each perturbation, from the least harmful level:
    `names` and `levels`, shape (points,), mean features `means`, shape (points, features), `accuracy`, and `slopes`, of
    being right over the network's features, shape (points, FEATURES_OF_NETWORK). `scale`, shape (features, features),
    makes features independent and of variance 1. `window`, shape (1,): how many pictures are judged together;
    `natural`, shape (1,): how much nearer, as a squared distance, a curve must be than natural pictures. What is known
    once it was measured: `far`, shape (2,), from which distance on a condition is unknown, along curves and beyond
    their ends, and `halves`, half the interval's width for the perturbation of each point.
    """

    names: np.ndarray
    levels: np.ndarray
    means: np.ndarray
    accuracy: np.ndarray
    slopes: np.ndarray
    scale: np.ndarray
    window: np.ndarray
    natural: np.ndarray
    far: np.ndarray
    halves: np.ndarray

    def look(self, mean: np.ndarray) -> Look:
        """What pictures of these mean features, shape (features,), show."""
        curves, (place, distance, gain) = _curves(self), self.nearest(mean)
        name, level = str(self.names[curves.points[place]]), float(curves.levels[place])
        if curves.near_natural[place] or gain < self.natural[0]:
            name, level = NATURAL, 0.0
        beyond = bool(curves.beyond[place])
        if distance > self.far[int(beyond)]:
            return Look(UNKNOWN, np.nan, np.nan, np.nan, np.nan, distance, beyond)
        above = (mean - curves.means[place])[:FEATURES_OF_NETWORK]
        accuracy = float(np.clip(curves.accuracy[place] + curves.slopes[place] @ above, 0, 1))
        half = float(self.halves[self.names == name][0])
        return Look(name, level, accuracy, max(accuracy - half, 0.0), min(accuracy + half, 1.0), distance, beyond)

    def nearest(self, mean: np.ndarray) -> tuple[int, float, float]:
        """The nearest place on the curves, how far it lies, and how much nearer than natural pictures, squared."""
        distances = np.linalg.norm(mean @ self.scale - _curves(self).scaled, axis=1)
        place = int(distances.argmin())
        return place, float(distances[place]), float(distances[0] ** 2 - distances[place] ** 2)


class _Curves(NamedTuple):
    """Places on curves: which point they come before, their level, mean features, these times `scale`, accuracy and
    slopes; whether they are nearer to natural pictures than to the first point, and whether beyond the last."""

    points: np.ndarray
    levels: np.ndarray
    means: np.ndarray
    scaled: np.ndarray
    accuracy: np.ndarray
    slopes: np.ndarray
    near_natural: np.ndarray
    beyond: np.ndarray


@functools.lru_cache(maxsize=4)
def _curves(monitor: Monitor) -> _Curves:
    """The curves in small steps."""
    parts = [_curve(monitor, np.flatnonzero(monitor.names == name)) for name in dict.fromkeys(monitor.names[1:])]
    return _Curves(*map(np.concatenate, zip(*parts, strict=True)))


def _curve(monitor: Monitor, points: np.ndarray) -> _Curves:
    """That of a perturbation's points: smooth, no figure beyond those of the two points around (Fritsch and Carlson
    1980), and straight on after the last."""
    least, most = monitor.levels[points[[0, -1]]]
    levels, first = np.r_[0.0 if least < most else least, monitor.levels[points]], np.r_[0, points]
    known = [monitor.means, monitor.accuracy[:, None], monitor.slopes]
    table = np.column_stack([*(one[first] for one in known), levels])
    table = np.vstack([table, table[-1] + _BEYOND * (table[-1] - table[-2])])
    ends = np.cumsum([one.shape[1] for one in known])
    table[-1, ends[0]] = max(table[-1, ends[0]], monitor.accuracy.min())
    steps = np.linalg.norm(np.diff(table[:, : ends[0]], axis=0) @ monitor.scale, axis=1)
    along = np.r_[0.0, np.cumsum(steps + _LEAST)]
    fine = np.interp(np.arange(len(points) * _STEPS + _STEPS + 1) / _STEPS, np.arange(len(along)), along)
    means, accuracy, slopes, level = np.split(PchipInterpolator(along, table)(fine), ends, axis=1)
    which = points[np.searchsorted(along[1:-1], fine).clip(0, len(points) - 1)]
    ends_at = fine < along[1] / 2, fine > along[-2]
    return _Curves(which, level[:, 0], means, means @ monitor.scale, accuracy[:, 0], slopes, *ends_at)


def fit_monitor(samples: Sequence[Sample], *, window: int) -> Monitor:
    """The monitor of these samples, the first natural, then each perturbation's from its least harmful level, for
    `window` pictures at a time. How far off it is remains to be measured (see `measured_on`): until then nothing is
    far from it, and intervals have no width."""
    means = np.stack([one.features.mean(axis=0) for one in samples])
    within = np.concatenate([one.features - mean for one, mean in zip(samples, means, strict=True)])
    spread = within.std(axis=0) + 1e-9
    covariance = np.cov((within / spread).T) * (1 - _SHRINKAGE) + _SHRINKAGE * np.eye(len(spread))
    scale = np.linalg.cholesky(np.linalg.inv(covariance)) / spread[:, None]
    found = Monitor(
        names=np.array([one.name for one in samples]),
        levels=np.array([one.level for one in samples]),
        means=means,
        accuracy=np.array([one.right.mean() for one in samples]),
        slopes=np.stack([_slopes(one, spread[:FEATURES_OF_NETWORK]) for one in samples]),
        scale=scale,
        window=np.array([window]),
        natural=np.zeros(1),
        far=np.full(2, np.inf),
        halves=np.zeros(len(samples)),
    )
    gains = [found.nearest(mean)[2] for mean, _ in samples[0].windows(window, _WINDOWS)]
    return replace(found, natural=np.array([np.quantile(gains, _SELDOM)]))


def _slopes(sample: Sample, spread: np.ndarray) -> np.ndarray:
    """How being right changes with the network's features among a sample's pictures: a ridge regression."""
    known = sample.features[:, :FEATURES_OF_NETWORK] - sample.features[:, :FEATURES_OF_NETWORK].mean(axis=0)
    known, right = known / spread, sample.right - sample.right.mean()
    ridge = _RIDGE * len(right) * np.eye(FEATURES_OF_NETWORK)
    return np.linalg.solve(known.T @ known + ridge, known.T @ right) / spread
