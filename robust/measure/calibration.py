"""How well a model knows when it is right (Hendrycks et al. 2021, "Natural Adversarial Examples", arXiv 1907.07174)."""

import itertools

import numpy as np

_BIN = 100  # predictions of about the same confidence


def rms_calibration_error(confidence: np.ndarray, right: np.ndarray, *, bin_size: int = _BIN) -> float:
    """The root of the mean squared difference between confidence and accuracy, in bins of `bin_size` predictions of
    neighbouring confidence; the last bin takes what is left over.

    `confidence`, shape (n,), in [0, 1]; `right`, boolean of shape (n,). From 0 to 1; 0 is best.
    """
    order = _by_confidence(confidence)
    edges = [*range(0, max(1, len(order) // bin_size) * bin_size, bin_size), len(order)]
    total = 0.0
    for start, stop in itertools.pairwise(edges):
        some = order[start:stop]
        total += len(some) / len(order) * float(confidence[some].mean() - right[some].mean()) ** 2
    return float(np.sqrt(total))


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
    shuffled = np.random.default_rng(0).permutation(len(confidence))
    return shuffled[np.argsort(confidence[shuffled], kind="stable")]
