"""What an accuracy is known to be before all images were looked at, however often one looks: an anytime-valid interval.

Images are drawn without replacement. Each number `m` of right answers that the whole test may hold is set against a
mixture of numbers near it; the likelihood ratio is a martingale where `m` is true, so that it ever exceeds 1/0.05 in at
most 5 % of tests (Ville). The interval holds every `m` of which it does not: the ratio of prior to posterior of
Waudby-Smith and Ramdas 2020 (arXiv 2006.04347), with a beta-binomial prior around each `m`. Once all was looked at, it
is the truth alone.

That is exact for one trial. Of several, the images of the first come before those of the second: while each image is
looked at once, what was seen varies by less than a draw from all images and trials would (Hoeffding 1963), and never by
more, for the trials of an image are alike. That this makes no interval miss more often is what simulations say
(tests/measure/test_sequential.py).
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.special import betaln, gammaln

from robust.errors import check
from robust.measure.intervals import Interval

#: images between two looks: the same whatever a batch is, so that the same tests end at the same image
LOOK = 250
_LOG_BOUND = math.log(1 / 0.05)
_LOG_BOUND_OF_TWO = math.log(2 / 0.05)  # where two are held against it


def known_interval(right: int, seen: int, of: int, *, width: float) -> Interval:
    """Between which fractions the accuracy of a whole test of `of` images lies, of which `seen` were looked at, drawn
    at random without replacement, and `right` were recognised. Over all looks at one test, an interval misses it in at
    most 5 % of tests. Half the width that is wanted, `width`, is chosen before: about there intervals are narrowest.
    Raises ParameterError for numbers that no test has."""
    likeliest, least, most = _possible(right, seen, of, width)

    def holds(count: int) -> bool:
        return bool(log_evidence(np.array([count]), right, seen, of, width=width)[0] < _LOG_BOUND)

    return _edge(holds, likeliest, least) / of, _edge(holds, likeliest, most) / of


def is_narrow(right: int, seen: int, of: int, *, width: float) -> bool:
    """Whether half the width of `known_interval` is `width` at most; most often without computing that."""
    likeliest, least, most = _possible(right, seen, of, width)
    outside = math.floor(width * of) + 1  # wider than that, where both ends belong to it
    ends = np.clip([likeliest - outside, likeliest + outside], least, most)
    if (log_evidence(ends, right, seen, of, width=width) < _LOG_BOUND).all() and ends[1] - ends[0] == 2 * outside:
        return False
    low, high = known_interval(right, seen, of, width=width)
    return high - low <= 2 * width


def _possible(right: int, seen: int, of: int, width: float) -> tuple[int, int, int]:
    """Which number of right answers is likeliest, and the least and the most that there may be."""
    check("seen", seen, f"from 0 to {of}, the number of all", 0 <= seen <= of and of > 0)
    check("right", right, f"from 0 to {seen}, the number seen", 0 <= right <= seen)
    check("width", width, "above 0 and below 0.5", 0 < width < 0.5)
    least, most = right, of - (seen - right)
    return min(max(round(of * right / seen), least), most) if seen else of // 2, least, most


def log_evidence(
    counts: np.ndarray, right: int | np.ndarray, seen: int | np.ndarray, of: int, *, width: float
) -> np.ndarray:
    """The logarithm of the evidence against each of `counts`, whole numbers from 0 to `of`, being how many images of a
    whole test are recognised; infinite where that cannot be. `right` and `seen` as in `known_interval`; all broadcast.

    The prior around a share p = m / of is a beta distribution with the standard deviation `width`: what is then set
    against each number lies about as far away as is to be told apart.
    """
    wrong, share = np.subtract(seen, right), (counts + 0.5) / (of + 1)
    size = np.maximum(share * (1 - share) / width**2 - 1, 1)
    mixture = betaln(size * share + right, size * (1 - share) + wrong) - betaln(size * share, size * (1 - share))
    possible = (counts >= right) & (of - counts >= wrong)
    ways = _log_falling(np.where(possible, counts, of), right) + _log_falling(
        np.where(possible, of - counts, of), wrong
    )
    return np.where(possible, mixture - ways + _log_falling(of, seen), np.inf)


def decided(signs: np.ndarray) -> int:
    """Whether of two models the first has the higher accuracy over all images of a test (1) or the lower one (-1), or
    neither is known yet (0); by those of the images looked at, in this order, that only one of them recognised:
    `signs`, 1 where that was the first, -1 the second. Over all looks at one test it is wrong in at most 5 %.

    Each side bets on the next of these images what its lead so far promises, and nothing without a lead. Had it no lead
    over all images, fewer than half of those left would be its own: it cannot expect to win.
    """
    lead = np.concatenate([[0], np.cumsum(signs)[:-1]]) if len(signs) else np.zeros(0)
    before = np.arange(len(signs)) + 2.0
    won = [float(np.log1p(np.maximum(side * lead, 0) / before * side * signs).sum()) for side in (1, -1)]
    return 1 if won[0] >= _LOG_BOUND_OF_TWO else -1 if won[1] >= _LOG_BOUND_OF_TWO else 0


def _log_falling(start: int | np.ndarray, factors: int | np.ndarray) -> np.ndarray:
    """The logarithm of start * (start - 1) * ..., so many factors."""
    return np.asarray(gammaln(np.add(start, 1.0)) - gammaln(np.subtract(start, factors) + 1.0))


def _edge(holds: Callable[[int], bool], inside: int, outermost: int) -> int:
    """The last number from `inside` toward `outermost` that `holds`, which all before it do."""
    if holds(outermost):
        return outermost
    outside = outermost
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
