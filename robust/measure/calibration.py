"""How well a model knows when it is right (Hendrycks et al. 2021, "Natural Adversarial Examples", arXiv 1907.07174)."""

import functools

import numpy as np
from scipy.special import logit

#: the figures that say so, in every table of tests
CALIBRATION = ("expected_calibration_error", "rms_calibration_error", "brier_score", "nll", "aurc")
_BIN = 100  # predictions of about the same confidence
_WIDTHS = 15  # bins of confidence, for the expected calibration error
_FINE = 4 * _WIDTHS  # of those that are kept
#: the logarithms of the odds between which confidence is counted, so finely that a detector by it is told exactly
ODDS = np.arange(-8, 17.25, 0.125)


def confidence_bins(confidence: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """How many predictions there are in each of 60 even bins of confidence (`bin_counts`), how many of them are right
    (`bin_right`), both int32 of shape (60,), and the sums of their confidence (`bin_confidence`, float32): what a
    reliability diagram, the expected calibration error and a rule for abstaining are made of.

    `confidence`, shape (n,), in [0, 1]; `right`, boolean of shape (n,).
    """
    place = np.clip((confidence * _FINE).astype(int), 0, _FINE - 1)
    return {
        "bin_counts": np.bincount(place, minlength=_FINE).astype(np.int32),
        "bin_right": np.bincount(place[right], minlength=_FINE).astype(np.int32),
        "bin_confidence": np.bincount(place, weights=confidence, minlength=_FINE).astype(np.float32),
    }


def odds_counts(confidence: np.ndarray) -> np.ndarray:
    """How many predictions there are between each two of ODDS, what lies beyond them at their ends: int32. Even bins do
    not tell networks apart that are almost always sure. `confidence`, shape (n,), in [0, 1]."""
    odds = np.clip(logit(confidence.astype(np.float64)), ODDS[0], ODDS[-1])
    return np.histogram(odds, ODDS)[0].astype(np.int32)


def detection(within: np.ndarray, beyond: np.ndarray) -> tuple[float, float]:
    """How well confidence tells pictures `within` a range from those `beyond` it, both `odds_counts`: the area under
    the receiver operating characteristic (AUROC), and the share of those beyond that are let through where 95 % of
    those within are (FPR95); fractions, NaN where there are none of one. Source: Hendrycks and Gimpel 2017, arXiv
    1610.02136."""
    if not within.sum() or not beyond.sum():
        return np.nan, np.nan
    from sklearn.metrics import roc_auc_score, roc_curve  # a second that measuring need not wait for

    places = np.arange(len(within))
    known = {"y_true": np.repeat([1, 0], len(within)), "y_score": np.r_[places, places]}
    weights = np.r_[within, beyond]
    wrong, right, _ = roc_curve(**known, sample_weight=weights, drop_intermediate=False)
    return float(roc_auc_score(**known, sample_weight=weights)), float(wrong[np.argmax(right >= 0.95)])


def expected_calibration_error(bin_counts: np.ndarray, bin_right: np.ndarray, bin_confidence: np.ndarray) -> float:
    """The mean difference between confidence and accuracy, in 15 even bins of confidence (Guo et al. 2017, arXiv
    1706.04599), of what `confidence_bins` counted, three arrays of shape (60,). From 0 to 1; 0 is best.

    That of torchmetrics (`binary_calibration_error` of confidence and right) agrees to about 1e-6, takes six times as
    long for 10,000 images, and needs every prediction, where these bins are what is kept of a test and can be added up.
    """
    gaps = np.abs((bin_confidence - bin_right).reshape(_WIDTHS, -1).sum(1))
    return float(gaps.sum() / bin_counts.sum())


def answered(counts: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of images that a network answers for, if it abstains below each bin of confidence from the greatest to
    the least, rising, and how many of its answers are then right, both fractions. `counts` and `right` are those of
    `confidence_bins`, shape (bins,)."""
    total, hits = np.cumsum(counts[::-1]), np.cumsum(right[::-1])
    some = total > 0
    return total[some] / counts.sum(), hits[some] / total[some]


def confidence_figures(
    bin_counts: np.ndarray, bin_right: np.ndarray, bin_confidence: np.ndarray, *, share: float
) -> dict[str, float]:
    """What `confidence_bins` counted, three arrays of shape (60,), comes to: images, accuracy, confidence (its mean)
    and confidence_wrong (its mean where the network is wrong, NaN where it never is), expected_calibration_error, and
    accuracy_answered, on that `share` of the images that the network is surest of, NaN where its greatest bin alone
    holds more. All but the first in [0, 1]."""
    middle = np.divide(bin_confidence, bin_counts, out=np.zeros(len(bin_counts)), where=bin_counts > 0)
    wrong = bin_counts - bin_right
    answers, accuracy = answered(bin_counts, bin_right)
    return {
        "images": int(bin_counts.sum()),
        "accuracy": bin_right.sum() / bin_counts.sum(),
        "confidence": bin_confidence.sum() / bin_counts.sum(),
        "confidence_wrong": (wrong * middle).sum() / wrong.sum() if wrong.sum() else np.nan,
        "expected_calibration_error": expected_calibration_error(bin_counts, bin_right, bin_confidence),
        "accuracy_answered": np.interp(share, answers, accuracy) if answers[0] <= share else np.nan,
    }


def rms_calibration_error(confidence: np.ndarray, right: np.ndarray, *, bin_size: int = _BIN) -> float:
    """The root of the mean squared difference between confidence and accuracy, in bins of `bin_size` predictions of
    neighbouring confidence; the last bin takes what is left over.

    `confidence`, shape (n,), in [0, 1]; `right`, boolean of shape (n,). From 0 to 1; 0 is best.
    """
    order = _by_confidence(confidence)
    starts = np.arange(max(1, len(order) // bin_size)) * bin_size
    counts = np.diff(starts, append=len(order))
    gaps = np.add.reduceat(confidence[order].astype(np.float64) - right[order], starts) / counts
    return float(np.sqrt((counts * gaps**2).sum() / len(order)))


def aurc(confidence: np.ndarray, right: np.ndarray) -> float:
    """The area under the risk coverage curve (Geifman et al. 2019, arXiv 1805.08206): the share of wrong predictions
    among those that the model is surest of, averaged over every share of them that it may answer for. From 0 to 1; 0 is
    best. One less it is AURRA of arXiv 1907.07174.

    `confidence`, shape (n,); `right`, boolean of shape (n,).
    """
    order = _by_confidence(confidence)[::-1]
    return float((np.cumsum(~right[order]) / np.arange(1, len(order) + 1)).mean())


def _by_confidence(confidence: np.ndarray) -> np.ndarray:
    """The places of the least confident prediction to the most; equal ones in a random order, always the same, for in
    that of a data set those of one class would stand together."""
    shuffled = _shuffled(len(confidence))
    return shuffled[np.argsort(confidence[shuffled], kind="stable")]


@functools.lru_cache(maxsize=4)
def _shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(count)
