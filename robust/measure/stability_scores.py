"""What runs come to under sequences of frames."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robust.measure.conditions import NATURAL
from robust.measure.intervals import mean_share, normal, student
from robust.measure.stability import MOST_DISTANCE
from robust.perturb.sequences import SEQUENCES

_SAME = ["evaluation_seed", "frames", "n"]  # of a sequence, in two runs that are compared


@dataclass(frozen=True)
class Stability:
    """What is measured of each image over its frames: the column of `measure_stability` that counts it, and the most
    that it can be between two frames. What its figures are called, of `each` sequence and of their `mean`: itself, and
    (`rates`, `mean_rate`) beside the natural run's."""

    counts: str
    most: int
    each: Mapping[str, str]
    mean: str
    rates: Mapping[str, str]
    mean_rate: str


FLIPS = Stability("flips", 1, {one: one for one in SEQUENCES}, "mean", {one: f"fr_{one}" for one in SEQUENCES}, "mfr")
DISTANCES = Stability(
    *("distances", MOST_DISTANCE, {one: f"distance_{one}" for one in SEQUENCES}, "mean_distance"),
    *({one: f"t5d_{one}" for one in SEQUENCES}, "mt5d"),
)
_KINDS = (FLIPS, DISTANCES)
_FIGURES = [name for one in _KINDS for name in (*one.each.values(), one.mean, *one.rates.values(), one.mean_rate)]


def stability_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run comes to, a row, in these rows of `measure_stability`.

    Columns: `n`, images; of FLIPS and DISTANCES the figures that they name: the flip probability, a fraction, and the
    top-5 distance under each sequence, and their means over all; the rates, which are those beside the natural run's
    that a run is compared with, 1 for itself (in the published ImageNet-P it is AlexNet's), and the mean rates.
    `..._low` and `..._high` bound the 95 % intervals, over images, each with all its frames in both runs. NaN where a
    sequence was not tested, or the natural run was not, or never changes.
    """
    known = {str(run): mine.set_index("sequence") for run, mine in rows.groupby("run", sort=False)}
    lines = {run: _line(mine, known.get(_baseline(run, mine.iloc[0]))) for run, mine in known.items()}
    return pd.DataFrame.from_dict(lines, orient="index")


def stability_of_kinds(scores: pd.DataFrame, kinds: pd.Series) -> pd.DataFrame:
    """The same of each kind of run, `kinds` by run: the means over its `seeds`, and their intervals, Student's; of one
    seed as they are."""
    lines = {}
    for kind, mine in scores.groupby(kinds.reindex(scores.index), sort=False):
        line = mine.iloc[0].to_dict()
        if len(mine) > 1:
            for name in _FIGURES:
                line[name], low, high = student(mine[name])
                line |= {f"{name}_low": max(low, 0.0), f"{name}_high": high}
        lines[kind] = {**line, "seeds": len(mine)}
    return pd.DataFrame.from_dict(lines, orient="index").astype({"n": int, "seeds": int})


def _baseline(run: str, own: pd.Series) -> str:
    """The run whose flips a run's are held against; none of a network that was measured as it was given."""
    return "" if own["reference"] == run and own["technique"] != NATURAL else str(own["reference"])


def _line(tests: pd.DataFrame, natural: pd.DataFrame | None) -> dict[str, float]:
    line: dict[str, float] = {"n": int(tests["n"].min())}
    for kind in _KINDS:
        line |= _figures(tests, natural, kind)
    return line


def _figures(tests: pd.DataFrame, natural: pd.DataFrame | None, kind: Stability) -> dict[str, float]:
    line: dict[str, float] = {}
    shares = {name: _shares(tests.loc[name], kind) for name in SEQUENCES if name in tests.index}
    for name, title in kind.each.items():
        line |= _figure(title, _mean(shares[name], kind) if name in shares else None)
    whole = len(shares) == len(SEQUENCES)
    line |= _figure(kind.mean, _mean(np.mean([*shares.values()], axis=0), kind) if whole else None)
    beside = {} if natural is None else {name: _shares(natural.loc[name], kind) for name in _shared(tests, natural)}
    rates = {name: _rate(shares[name], other) for name, other in beside.items() if other.any()}
    for name, title in kind.rates.items():
        line |= _figure(title, _over_images(*rates[name]) if name in rates else None)
    if len(rates) == len(SEQUENCES):
        means = [np.mean(one, axis=0) for one in zip(*rates.values(), strict=True)]
        return line | _figure(kind.mean_rate, _over_images(float(means[0]), means[1]))
    return line | _figure(kind.mean_rate, None)


def _shares(test: pd.Series, kind: Stability) -> np.ndarray:
    """How much each image changes between two frames, of the most that it could, shape (n,)."""
    return np.asarray(test[kind.counts]) / ((test["frames"] - 1) * kind.most)


def _mean(shares: np.ndarray, kind: Stability) -> tuple[float, float, float]:
    middle, low, high = (one * kind.most for one in mean_share(shares))
    return middle, low, high


def _shared(tests: pd.DataFrame, natural: pd.DataFrame) -> list[str]:
    """The sequences that two runs saw alike."""
    both = [name for name in tests.index if name in natural.index]
    return [name for name in both if tests.loc[name, _SAME].equals(natural.loc[name, _SAME])]


def _rate(mine: np.ndarray, natural: np.ndarray) -> tuple[float, np.ndarray]:
    """One mean beside the other, and by how much each image moves it, shape (n,)."""
    rate = mine.mean() / natural.mean()
    return float(rate), (mine - rate * natural) / natural.mean()


def _over_images(rate: float, moves: np.ndarray) -> tuple[float, float, float]:
    low, high = normal(rate, moves.var() / len(moves))
    return rate, max(low, 0.0), high


def _figure(name: str, found: tuple[float, float, float] | None) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), found or (math.nan,) * 3, strict=True))
