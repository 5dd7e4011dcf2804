"""Two answers for the same images: whose accuracy is higher, and how many predictions flip."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Flips:
    """What changes over `n` images from a first set of predictions to a second: accuracy `before` and `after`, as
    fractions; how many predictions are `changed`, `lost` (right, then wrong) and `gained` (wrong, then right); and `p`,
    of McNemar's exact test that both are right equally often."""

    n: int
    before: float
    after: float
    changed: int
    lost: int
    gained: int
    p: float


def flips(labels: Tensor, first: Tensor, second: Tensor) -> Flips:
    """Compares two predictions for each image; all int64 of shape (n,), n at least 1."""
    was, now, n = first == labels, second == labels, len(labels)
    lost, gained = int((was & ~now).sum()), int((now & ~was).sum())
    changed = int(torch.ne(first, second).sum())
    return Flips(n, int(was.sum()) / n, int(now.sum()) / n, changed, lost, gained, mcnemar(lost, gained))


def mcnemar(lost: int, gained: int) -> float:
    """The p-value of McNemar's exact test, two-sided: whether `lost` and `gained` images differ by more than chance."""
    from scipy.special import bdtr  # the binomial distribution, without the second that scipy.stats takes

    return float(min(1.0, 2 * bdtr(min(lost, gained), lost + gained, 0.5)))
