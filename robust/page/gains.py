"""How much more accurate models are than the natural ones that they are held against."""

from dataclasses import dataclass

import pandas as pd

from robust.measure import NATURAL
from robust.measure.exposure import knows_exposure
from robust.measure.intervals import normal, student
from robust.measure.summary import perturbed_accuracy
from robust.report.tables import percent
from robust.runs.titles import only_measured
from robust.values.text import count

ON_NATURAL = "on natural images"
SHARED = "under the perturbations that all were tested under"
#: what runs that differ by their seed alone have in common
KIND = ["title", "kind", "data", "model"]


@dataclass(frozen=True)
class Gain:
    """How much more accurate runs of a kind are than the natural runs of their seeds; fractions. `of`: of what."""

    title: str
    of: str
    before: float
    after: float
    middle: float
    low: float
    high: float
    others: int
    exposure: str = ""

    def __str__(self) -> str:
        return f"{_points(self.middle)} points [{_points(self.low)}, {_points(self.high)}]"

    @property
    def tells_nothing(self) -> bool:
        return self.low <= 0 <= self.high


def gains(summary: pd.DataFrame, rows: pd.DataFrame) -> list[Gain]:
    """What each kind of training gains over its natural runs: under the perturbed tests that all runs of its data
    share, or where they share none under those that it and its natural runs went through; and on natural images."""
    runs = summary.drop_duplicates("run").set_index("run", drop=False)
    runs = runs[(runs["technique"] != NATURAL) & ~only_measured(runs)]
    shared, found = perturbed_accuracy(rows), []
    perturbed = summary[(summary["test_perturbation"] != NATURAL) & summary["before"].notna()]
    own = perturbed.groupby("run").agg(after=("mean", "mean"), before=("before", "mean"), tests=("mean", "size"))
    natural = summary[summary["test_perturbation"] == NATURAL].set_index("run")["mean"]
    known = perturbed.groupby("run")["exposure"].agg(set).to_dict() if knows_exposure(summary) else {}
    in_shared, in_own, in_natural = set(shared.index), set(own.index), set(natural.index)
    kinds = [mine for _, mine in runs.groupby(KIND, sort=False, dropna=False)]
    for mine in kinds:
        names, against = mine["run"], mine["reference"]
        if set(names) | set(against) <= in_shared:
            pairs = shared[names].to_numpy(), shared[against].to_numpy()
            under = SHARED
        elif set(names) <= in_own:
            pairs = own.loc[names, "after"].to_numpy(), own.loc[names, "before"].to_numpy()
            under = f"under the {count(own.loc[names, 'tests'].max(), 'condition')} that it was tested under"
        else:
            continue
        exposures = set().union(*(known.get(name, ()) for name in names))
        seen = exposures.pop() if len(exposures) == 1 else ""
        found.append(_gain(mine, under, *pairs, others=len(kinds), exposure=seen))
        if set(names) | set(against) <= in_natural:
            pairs = natural[names].to_numpy(), natural[against].to_numpy()
            found.append(_gain(mine, ON_NATURAL, *pairs, others=len(kinds)))
    return found


def _gain(mine: pd.DataFrame, of: str, after: pd.Series, before: pd.Series, *, others: int, exposure: str = "") -> Gain:
    """Over several seeds the interval is Student's, of the differences of each seed; for one it is over images, as if
    both models had seen other ones: on the safe side."""
    middle, low, high = student(after - before)
    if len(mine) == 1:
        n = mine["n"].iloc[0]
        variance = sum((share * (1 - share) + 1 / n) / n for share in (after[0], before[0]))
        low, high = normal(middle, variance)
    ends = max(low, -1.0), min(high, 1.0)
    return Gain(mine["title"].iloc[0], of, before.mean(), after.mean(), middle, *ends, others, exposure)


def _points(value: float) -> str:
    return percent(value, sign=True).replace("-", "\u2212")
