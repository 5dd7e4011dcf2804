"""Timing in pairs: ours and theirs in turn, so that a machine that slows down slows both."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robust.measure.intervals import percentile, resampled_medians

_RESAMPLES = 9999


@dataclass(frozen=True)
class Result:
    """A figure with its 95 % interval, and the limit that it is held to (at most, or at least)."""

    subject: str
    against: str
    figure: float
    low: float
    high: float
    unit: str
    limit: str
    met: bool
    note: str = ""
    section: str = ""
    commit: str = ""


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long a call takes, by this clock."""
    start = clock()
    call()
    return clock() - start


def in_turn(
    calls: Sequence[Callable[[], object]], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> np.ndarray:
    """Seconds of each call, shape (rounds, calls): all in turn, after one round that does not count."""
    for call in calls:
        call()
    return np.array([[seconds(call, clock) for call in calls] for _ in range(rounds)])


def median_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """The median and its 95 % interval (percentile bootstrap, seeded)."""
    resampled = resampled_medians(values, np.arange(len(values)), resamples=_RESAMPLES)
    return float(np.median(values)), *percentile(resampled)


def at_most(subject: str, against: str, values: np.ndarray, limit: float, *, unit: str = "x", note: str = "") -> Result:
    """A figure that may be at most `limit`."""
    middle, low, high = median_interval(values)
    return Result(subject, against, middle, low, high, unit, f"<= {limit:g}", middle <= limit, note)


def at_least(
    subject: str, against: str, values: np.ndarray, limit: float, *, unit: str = "x", note: str = ""
) -> Result:
    """A figure that must be at least `limit`."""
    middle, low, high = median_interval(values)
    return Result(subject, against, middle, low, high, unit, f">= {limit:g}", middle >= limit, note)
