"""How well a model knows when it is right (Hendrycks et al. 2021, "Natural Adversarial Examples", arXiv 1907.07174)."""

import functools

import numpy as np

_BIN = 100  # predictions of about the same confidence


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


def aurra(confidence: np.ndarray, right: np.ndarray) -> float:
    """The area under the response rate accuracy curve: the accuracy on the predictions that the model is surest of,
    averaged over every share of them that it may answer for. From 0 to 1; 1 is best.

    `confidence`, shape (n,); `right`, boolean of shape (n,).
    """
    order = _by_confidence(confidence)[::-1]
    return float((np.cumsum(right[order]) / np.arange(1, len(order) + 1)).mean())


def _by_confidence(confidence: np.ndarray) -> np.ndarray:
    """The places of the least confident prediction to the most; equal ones in a random order, always the same, for in
    that of a data set those of one class would stand together."""
    shuffled = _shuffled(len(confidence))
    return shuffled[np.argsort(confidence[shuffled], kind="stable")]


@functools.lru_cache(maxsize=4)
def _shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(count)
