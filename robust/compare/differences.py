"""How far two sides lie apart, condition by condition: over the seeds, and the images where predictions were kept."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robust.compare.matching import Matching, Pair, few, match
from robust.compare.sides import Side
from robust.measure import NATURAL, TEST_KEY, condition_title
from robust.measure.intervals import Interval, resampling_weights, student
from robust.measure.paired import ImageScores, image_scores, mean_difference
from robust.runs import RunFolder
from robust.tolerated.levels import levels_between

#: what a line is of: one condition, all levels of a perturbation that both were tested under, or all perturbations
CONDITION, PERTURBATION, ALL = "condition", "perturbation", "all perturbed"
#: what an interval is for: other seeds and images, other images, other seeds, nothing
BOTH, IMAGES, SEEDS, NONE = "seeds and images", "images", "seeds", ""
COLUMNS = [
    *("title", "scope", "test_perturbation", "test_level", "before", "after", "difference", "low", "high"),
    *("over", "seeds", "images", "rows", "equal"),
]
_TEST = ["test_perturbation", "test_level"]
_ACCURACIES = ["accuracy_first", "accuracy_second"]
_Scores = tuple[list[ImageScores], list[ImageScores]]
_Weights = Callable[[int], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Comparison:
    """What changed from the first side to the second: a line for each pair of kinds and each condition, perturbation
    and all of them (see COLUMNS; accuracies and differences are fractions); in words, what was tested on one side
    alone; and what the second side tolerates beside the first (see `levels_between`), of the pairs that changed."""

    first: Side
    second: Side
    matching: Matching
    lines: pd.DataFrame
    apart: Sequence[str]
    tolerated: pd.DataFrame

    @property
    def rows(self) -> int:
        """How many rows of each side have a partner."""
        return int(self.lines.loc[self.lines["scope"] == CONDITION, "rows"].sum())

    @property
    def equal(self) -> int:
        """How many of these have the same accuracy, to the last digit."""
        return int(self.lines.loc[self.lines["scope"] == CONDITION, "equal"].sum())


def compared(first: Side, second: Side, *, resamples: int = 2000) -> Comparison:
    """Compares two sides, paired: the same kind, seed, condition, trial and images.

    Intervals are at 95 %, for other seeds and images where the predictions of both sides were kept (see
    `mean_difference`), for other seeds alone (Student's) where they were not; none for one seed without predictions.
    Raises ValueError as `match`, and where no test of a pair is of the same images in the same trial.
    """
    matching = match(first, second)
    weights = functools.cache(functools.partial(resampling_weights, resamples=resamples, seed=0))
    lines, apart, tolerated = [], [], [pd.DataFrame()]
    for pair in matching.pairs:
        tests = _shared_tests(first.rows, second.rows, pair)
        apart += _apart(first.rows, second.rows, pair, tests)
        if len(tests):
            lines += [*_lines(pair.title, tests, _scores(first, second, pair, tests, weights))]
            tolerated.append(_tolerated(first, second, pair, tests))
    if not lines:
        raise ValueError(
            f"{first.name} and {second.name} must share some tests: the same condition, trial and images; they share "
            f"none. {' '.join(apart[:3])}"
        )
    return Comparison(first, second, matching, pd.DataFrame(lines, columns=COLUMNS), apart, pd.concat(tolerated))


def _tolerated(first: Side, second: Side, pair: Pair, tests: pd.DataFrame) -> pd.DataFrame:
    """What the second runs of a pair tolerate beside the first; nothing where folders are lacking, or all is equal."""
    sides = ((first, pair.first), (second, pair.second))
    folders = [[side.folders[run] for run in runs.values() if run in side.folders] for side, runs in sides]
    if min(map(len, folders)) < len(pair.first) or _equal(tests).all():
        return pd.DataFrame()
    return levels_between(*folders).assign(title=pair.title)


def _equal(tests: pd.DataFrame) -> pd.Series:
    return tests["accuracy_first"] == tests["accuracy_second"]


def _of(rows: pd.DataFrame, runs: Mapping[int, str]) -> pd.DataFrame:
    return rows[rows["run"].isin(runs.values())]


def _shared_tests(first: pd.DataFrame, second: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """The tests that both runs of every seed went through, of as many images: seed, TEST_KEY, n and both accuracies. A
    condition that ended early has a partner that ended after the same images."""
    by = ["seed", *TEST_KEY, "n"]
    tables = (_of(rows, runs)[[*by, "accuracy"]] for rows, runs in ((first, pair.first), (second, pair.second)))
    tests = pd.merge(*tables, on=by, suffixes=("_first", "_second"))
    seeds = tests.groupby(_TEST)["seed"].transform("nunique")
    return tests[seeds == len(pair.first)]


def _apart(first: pd.DataFrame, second: pd.DataFrame, pair: Pair, tests: pd.DataFrame) -> list[str]:
    """What of a pair was tested on one side alone, or in other trials or on other images."""
    known = {*_conditions(tests)}
    one, two = (_conditions(_of(rows, runs)) for rows, runs in ((first, pair.first), (second, pair.second)))
    said = {
        "tested on the first side alone": [name for name in one if name not in two],
        "tested on the second side alone": [name for name in two if name not in one],
        "tested in other trials, or on other images": [name for name in one if name in two and name not in known],
    }
    return [f"{pair.title}, {what}: {few(names)}." for what, names in said.items() if names]


def _conditions(rows: pd.DataFrame) -> list[str]:
    pairs = rows[_TEST].drop_duplicates().itertuples(index=False, name=None)
    return [condition_title(str(name), float(level)) for name, level in pairs]


def _scores(first: Side, second: Side, pair: Pair, tests: pd.DataFrame, weights: _Weights) -> _Scores | None:
    """The scores of each pair of runs, image by image, under the conditions of which the predictions of all images were
    kept; None where there is none. Raises ValueError where they are of other images."""
    found: _Scores = ([], [])
    for scores, side, runs in zip(found, (first, second), (pair.first, pair.second), strict=True):
        for seed, run in runs.items():
            folder = side.folders.get(run)
            kept = RunFolder(folder).read_whole_tests() if folder else None
            if kept is None:
                return None
            mine = tests.loc[tests["seed"] == seed, TEST_KEY].merge(kept, how="left", on=TEST_KEY)
            mine = mine[mine["label"].notna().groupby([mine[name] for name in _TEST]).transform("all")]
            if mine.empty:
                return None
            scores.append(image_scores(mine, weights))
    if len({one.labels for one in (*found[0], *found[1])}) > 1:
        raise ValueError(f"{pair.title}: the two sides must be tested on the same images; their labels are others.")
    return found


def _lines(title: str, tests: pd.DataFrame, scores: _Scores | None) -> Iterator[dict[str, object]]:
    """The lines of a pair: of every condition, of every perturbation at several levels, and of all of these."""
    for scope, name, level, mine in _groups(tests):
        by_seed = mine.groupby(["seed", *_TEST])[_ACCURACIES].mean().groupby("seed").mean()
        difference, (low, high), over = _difference(by_seed, mine, scores)
        before, after = by_seed.mean()
        yield {
            "title": title,
            "scope": scope,
            "test_perturbation": name,
            "test_level": level,
            "before": before,
            "after": after,
            "difference": difference,
            "low": max(low, -1.0),
            "high": min(high, 1.0),
            "over": over,
            "seeds": len(by_seed),
            "images": int(mine["n"].iloc[0]),
            "rows": len(mine),
            "equal": int(_equal(mine).sum()),
        }


def _groups(tests: pd.DataFrame) -> Iterator[tuple[str, str, float, pd.DataFrame]]:
    for (name, level), mine in tests.groupby(_TEST, sort=False):
        yield CONDITION, str(name), float(level), mine
    perturbed = tests[tests["test_perturbation"] != NATURAL]
    for name, mine in perturbed.groupby("test_perturbation", sort=False):
        if mine["test_level"].nunique() > 1:
            yield PERTURBATION, str(name), np.nan, mine
    if perturbed["test_perturbation"].nunique() > 1:
        yield ALL, ALL, np.nan, perturbed


def _difference(by_seed: pd.DataFrame, tests: pd.DataFrame, scores: _Scores | None) -> tuple[float, Interval, str]:
    """By how much the second side is above the first, its interval, and what that is for."""
    names = _conditions(tests)
    if scores is not None and all({*names} <= {*one.accuracy.index} for side in scores for one in side):
        difference, ends = mean_difference(scores[1], scores[0], names)
        return difference, ends, BOTH if len(by_seed) > 1 else IMAGES
    difference, low, high = student(by_seed["accuracy_second"] - by_seed["accuracy_first"])
    return difference, (low, high), SEEDS if len(by_seed) > 1 else NONE
