"""The intervals of this project, of 95 % but for Clopper and Pearson's; docs/decisions/008-intervals.md says which is
used where."""

from collections.abc import Sequence

import numpy as np

Interval = tuple[float, float]
Values = Sequence[float] | np.ndarray

_LOW, _HIGH = 0.025, 0.975
_Z = 1.959963984540054  # the normal distribution's quantile at 0.975
_AT_ONCE = 250  # resamples that are computed at the same time


def wilson(share: float, n: int) -> Interval:
    """Wilson's interval of a share of n images, such as an accuracy; all fractions."""
    count = round(share * n)
    width, middle = 2 * (n + _Z**2), 2 * n * (count / n) + _Z**2
    half = _Z / width * np.sqrt(4 * n * (count / n) * (1 - count / n) + _Z**2)
    return 0.0 if count == 0 else float(middle / width - half), 1.0 if count == n else float(middle / width + half)


def mean_share(shares: np.ndarray) -> tuple[float, float, float]:
    """The mean of shares, one for each image, each of some tests of that image alone, and the ends of its interval:
    Wilson's, for as many images as would vary the mean alike if each were 0 or 1 (Korn and Graubard, Survey Methodology
    24, 1998); where all are alike, for as many as there are. All fractions."""
    middle, variance = float(shares.mean()), float(shares.var())
    n = len(shares) * middle * (1 - middle) / variance if variance > 0 else len(shares)
    return middle, *wilson(middle, round(n))


def clopper_pearson_low(count: int, n: int, alpha: float) -> float:
    """The exact one-sided lower confidence limit, at level 1 - `alpha`, of a share of which n draws gave `count`."""
    from scipy.special import betaincinv

    return float(betaincinv(count, n - count + 1, alpha)) if count else 0.0


def normal(middle: float, variance: float) -> Interval:
    """The normal interval of an estimate with this variance, such as a difference over many images."""
    half = _Z * np.sqrt(variance)
    return float(middle - half), float(middle + half)


def student(values: Values) -> tuple[float, float, float]:
    """The mean of independent values, such as one for each seed, and the ends of its interval, Student's; both NaN for
    a single value."""
    values = np.asarray(values, dtype=float)
    middle = float(values.mean())
    half = float(student_half(float(np.std(values, ddof=1)), len(values))) if len(values) > 1 else np.nan
    return middle, middle - half, middle + half


def student_half(std: Values | float, n: Values | int) -> np.ndarray:
    """Half the width of Student's interval of the mean of n values of this standard deviation, element by element; NaN
    for a single value."""
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls, without the second that scipy.stats takes

    return stdtrit(np.subtract(n, 1.0), _HIGH) * std / np.sqrt(n)


def paired(differences: Values, resampled: Values) -> tuple[float, float, float]:
    """The mean of paired `differences`, one for each seed, and the ends of an interval for other seeds and other
    images. `resampled`: the mean difference on each resample of the images (see `resampled_means`).

    The seeds' part is Student's, the images' the bootstrap's; they add as squares (MOVER: Zou and Donner, Statistics in
    Medicine 27, 2008), on the safe side where images matter more.
    """
    middle = float(np.mean(differences))
    by_seed = student_half(float(np.std(differences, ddof=1)), len(differences))
    below, above = percentile(resampled)
    return middle, float(middle - np.hypot(by_seed, middle - below)), float(middle + np.hypot(by_seed, above - middle))


def percentile(resampled: Values) -> Interval:
    """The bootstrap's interval: between which the middle 95 % of the resamples lie."""
    low, high = np.quantile(resampled, [_LOW, _HIGH])
    return float(low), float(high)


def resampling_weights(n: int, *, resamples: int, seed: int) -> list[np.ndarray]:
    """How often each of n images is drawn in each resample: uint8 of shape (n, at most 250), in blocks of resamples, to
    take little memory and to be used again for all models."""
    random = np.random.default_rng(seed)
    sizes = [min(_AT_ONCE, resamples - start) for start in range(0, resamples, _AT_ONCE)]
    drawn = (random.multinomial(n, np.full(n, 1 / n), size=size) for size in sizes)
    return [block.T.astype(np.uint8, order="C") for block in drawn]


def resampled_means(values: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Means over the images of `values`, shape (k, n), on each resample: float32 of shape (k, resamples)."""
    values = values.astype(np.float32)
    return np.concatenate([values @ block.astype(np.float32) / values.shape[1] for block in weights], axis=1)


def resampled_medians(values: Values, images: Values, *, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Medians of `values`, shape (m,), on each resample of the `images`, shape (m,), that they belong to: each image is
    drawn with all its values. Shape (resamples,); NaN where there are no values."""
    values, (names, image) = np.asarray(values, dtype=float), np.unique(images, return_inverse=True)
    if not len(values):
        return np.full(resamples, np.nan)
    order = np.argsort(values, kind="stable")
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    medians = []
    for start in range(0, resamples, _AT_ONCE):
        often = np.stack([np.bincount(one, minlength=len(names)) for one in drawn[start : start + _AT_ONCE]])
        upto = often[:, image[order]].cumsum(axis=1)  # how many values are as small as each
        ranks = (upto[:, -1:] - 1) // 2, upto[:, -1:] // 2
        medians.append(sum(values[order][(upto > rank).argmax(axis=1)] for rank in ranks) / 2)
    return np.concatenate(medians)
