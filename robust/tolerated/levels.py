"""What runs tolerate, from the predictions that were kept of their tests."""

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from robust.errors import check
from robust.measure.calibration import detection
from robust.measure.intervals import paired, percentile, resampling_weights
from robust.measure.suites import LESS_IS_WORSE
from robust.measure.tolerance import Tolerated, median_limit, tolerated, tolerated_ratio
from robust.report.tables import summary_table
from robust.runs import RunFolder
from robust.runs.limits import read_limits
from robust.tolerated.tested import FEWEST, Tests, by_perturbation, read_by_perturbation
from robust.values.numbers import is_number

#: the share of the natural model's accuracy on natural images that is to be kept, where no other is given
SHARE = 0.9
_NEAR = 1e-9  # of an end of their range, a level that is one
_KIND = ["title", "kind", "data", "model", "perturbation"]
_MEDIAN = ["median", "median_low", "median_high"]
_DETECTION = ["auroc", "fpr95"]
_RATIO = ["ratio", "ratio_low", "ratio_high"]
_OF_ONE = ["levels", "least", "most", "target", "level", "low", "high", "misfit"]
_BEFORE = ["before", "before_low", "before_high"]
COLUMNS = [*_KIND, "seeds", *_OF_ONE, *_DETECTION, *_MEDIAN, *_RATIO, "beside"]
_Found = tuple[Tolerated, np.ndarray]
_Weights = Callable[[int], Sequence[np.ndarray]]


class _Of(NamedTuple):
    """What one run tolerates of one perturbation: the level, and that of the median image, where that was searched; and
    how well its confidence tells on which side of the level pictures are."""

    wanted: float
    level: _Found
    median: _Found | None
    tests: Tests
    detection: tuple[float, float] = (math.nan, math.nan)


def tolerated_levels(
    folders: Sequence[Path],
    rows: pd.DataFrame,
    *,
    target: float | None = None,
    share: float | None = None,
    beside: str = "",
    only: Collection[str] = (),
    resamples: int = 1000,
) -> pd.DataFrame:
    """A line for each kind of run and perturbation that it was tested under at four levels or more: the level at which
    its accuracy crosses the `target`, or this `share` of the natural model's accuracy on natural images (what the runs'
    `evaluation.tolerance` says, where all say the same; else nine tenths). With `only`, of these perturbations.

    Columns: title, kind, data, model, perturbation, seeds, levels (how many), least and most of these, target; level,
    low and high, its 95 % interval, over the images and, of several runs, the seeds; an end of the range of levels
    stands for all beyond; misfit (see `Tolerated`); auroc and fpr95, of confidence as a detector of
    pictures within that level, natural ones too, among these and those beyond it (see `detection`), the mean over runs,
    NaN where none are beyond, or confidence was not kept; median, median_low and median_high: the level by which the
    predictions of half of the images have fallen, NaN where that was not searched; ratio, ratio_low and ratio_high: how
    many times the level of the natural model that is, or of the run that is named `beside` (where less is worse, a
    smaller one is better), NaN where there is none, or one of both is a bound; beside, the title of that. Published
    corruptions, whose levels are no quantity, and perturbations of which a middle level is best are left out.
    Raises ValueError for a target or share outside (0, 1).
    """
    check_kept(target, share)
    levels = rows.groupby(["run", "test_perturbation"])["test_level"].nunique()
    enough = set(levels[levels >= FEWEST].index.get_level_values("run"))
    if not enough:
        return pd.DataFrame(columns=COLUMNS)
    summary = summary_table(rows, folders)
    runs = summary.drop_duplicates("run").set_index("run")
    references = runs["reference"].map(lambda own: beside or own)
    read = {
        folder: tests for folder in folders if folder.name in enough and (tests := read_by_perturbation(folder, only))
    }
    found = _found(read, references, _wanted(read, target, share), resamples)
    about = pd.DataFrame([*found], columns=["run", "perturbation"]).join(runs, on="run")
    lines = []
    for kind, group in about.groupby(_KIND, sort=False):
        keys = [*group[["run", "perturbation"]].itertuples(index=False, name=None)]
        line = {**dict(zip(_KIND, kind, strict=True)), **_line([found[key] for key in keys])}
        lines.append({**line, **_beside(keys, found, references, runs["title"])})
    return pd.DataFrame(lines, columns=COLUMNS)


def levels_of(
    predictions: pd.DataFrame, *, target: float | None = None, share: float | None = None, resamples: int = 1000
) -> pd.DataFrame:
    """The same of one network, by its predictions (see `Measurement`), those on natural images among them: a line for
    each perturbation, with the columns perturbation and levels to misfit. The share is of its own accuracy."""
    check_kept(target, share)
    weights, wanted = _resampling(resamples), _wanted((), target, share)
    lines = []
    for name, tests in by_perturbation(predictions).items():
        natural = float(tests.natural.mean())
        accuracy, advice = wanted(natural), f"On natural images it has {natural:.1%}."
        check("target", round(accuracy, 4), f"above that of a guess, {tests.guess:g}", accuracy > tests.guess, advice)
        of_one = _Of(accuracy, _tolerated(name, tests, accuracy, weights), None, tests)
        lines.append({"perturbation": name, **_line([of_one])})
    return pd.DataFrame(lines, columns=["perturbation", *_OF_ONE])


def levels_between(first: Sequence[Path], second: Sequence[Path], *, resamples: int = 1000) -> pd.DataFrame:
    """What the second run of each pair tolerates beside the first, the pairs being of one kind: a line for each
    perturbation that all of them were tested under at the same levels, four or more, and on the same images.

    Columns as `tolerated_levels`, of the second runs, but those that say which runs they are; before, before_low and
    before_high, of the first; and the ratio. The target of both is nine tenths of the first one's natural accuracy.
    """
    weights, wanted, lines = _resampling(resamples), _wanted((), None, None), []
    pairs = [(read_by_perturbation(one), read_by_perturbation(two)) for one, two in zip(first, second, strict=True)]
    for name in pairs[0][0]:
        if not all(name in tests for pair in pairs for tests in pair):
            continue
        tests = [(one[name], two[name]) for one, two in pairs]
        if len({(mine.labels, *mine.levels) for pair in tests for mine in pair}) > 1:
            continue
        found = []
        for one, two in tests:
            accuracy = wanted(float(one.natural.mean()))
            found.append([_Of(accuracy, _tolerated(name, mine, accuracy, weights), None, mine) for mine in (one, two)])
        before, after = map(list, zip(*found, strict=True))
        levels = after[0].tests.levels
        line = {"perturbation": name, **_line(after)}
        line |= dict(zip(_BEFORE, _together([one.level for one in before], levels), strict=True))
        lines.append(line | _ratio([(two.level, one.level) for one, two in found], levels))
    return pd.DataFrame(lines, columns=["perturbation", "seeds", *_OF_ONE, *_BEFORE, *_RATIO])


def check_kept(target: float | None, share: float | None) -> None:
    """Raises ValueError for a target or a share outside (0, 1)."""
    for name, value in (("target", target), ("share", share)):
        holds = value is None or (is_number(value) and 0 < value < 1)
        check(
            name, value, "a number above 0 and below 1", holds, "It is an accuracy, or a share of one, as a fraction."
        )


def _resampling(resamples: int) -> _Weights:
    return functools.cache(lambda n: resampling_weights(n, resamples=resamples, seed=0))


def _wanted(folders: Collection[Path], target: float | None, share: float | None) -> Callable[[float], float]:
    """The accuracy that is to be kept, by that of the natural model on natural images."""
    if target is None and share is None:
        asked = {_asked(folder) for folder in folders}
        target, share = asked.pop() if len(asked) == 1 else (None, SHARE)
    return lambda natural: target if target is not None else (share or SHARE) * natural


def _asked(folder: Path) -> tuple[float | None, float]:
    """The target and the share that a run's `evaluation.tolerance` says."""
    files = RunFolder(folder)
    said = (files.read_config().evaluation.get("tolerance") if files.config.is_file() else None) or {}
    return said.get("target"), said.get("share", SHARE)


def _found(
    read: Mapping[Path, Mapping[str, Tests]], references: pd.Series, wanted: Callable[[float], float], resamples: int
) -> dict[tuple[str, str], _Of]:
    """What each run tolerates of each perturbation."""
    weights = _resampling(resamples)
    by_name, found = {folder.name: tests for folder, tests in read.items()}, {}
    for folder, tests in read.items():
        medians = _medians(folder, weights)
        for name, mine in tests.items():
            natural = by_name.get(str(references[folder.name]), {}).get(name, mine).natural.mean()
            accuracy = wanted(float(natural))
            level = _tolerated(name, mine, accuracy, weights)
            median = medians.get((name, mine.levels[0], mine.levels[-1]))
            found[folder.name, name] = _Of(accuracy, level, median, mine, _detection(name, mine, level[0].level))
    return found


def _detection(name: str, tests: Tests, limit: float) -> tuple[float, float]:
    """How well confidence tells pictures up to the limit, natural ones too, from those beyond."""
    if tests.odds is None:
        return math.nan, math.nan
    levels, less = np.array(tests.levels), name.partition("@")[0] in LESS_IS_WORSE
    bound = limit <= levels[0] * (1 + _NEAR) if less else limit >= levels[-1] * (1 - _NEAR)
    within = np.r_[True, (levels > limit if less else levels < limit) | bound]
    odds = np.array(tests.odds)
    return detection(odds[within].sum(axis=0), odds[~within].sum(axis=0))


def _tolerated(name: str, tests: Tests, target: float, weights: _Weights) -> _Found:
    more_is_worse = name.partition("@")[0] not in LESS_IS_WORSE
    return tolerated(
        tests.levels,
        tests.correct,
        tests.natural,
        target,
        guess=tests.guess,
        weights=weights(tests.correct.shape[1]),
        more_is_worse=more_is_worse,
    )


def _medians(folder: Path, weights: _Weights) -> dict[tuple[str, float, float], _Found]:
    """The level of the median image, by perturbation and the ends of the levels that were searched."""
    known = read_limits(RunFolder(folder))
    return {
        (one["test_perturbation"], float(one["levels"].min()), float(one["levels"].max())): median_limit(
            one["levels"], one["falls"], weights(len(one["falls"]))
        )
        for one in ([] if known is None else known.to_dict("records"))
    }


def _line(mine: Sequence[_Of]) -> dict[str, Any]:
    """What runs of one kind come to under one perturbation."""
    levels = mine[0].tests.levels
    several = [one for one in mine if one.tests.levels == levels]
    line = {
        "seeds": len(several),
        "levels": len(levels),
        "least": levels[0],
        "most": levels[-1],
        "target": float(np.mean([one.wanted for one in several])),
        **dict(zip(("level", "low", "high"), _together([one.level for one in several], levels), strict=True)),
        "misfit": max(one.level[0].misfit for one in several),
        **dict(zip(_DETECTION, np.mean([one.detection for one in several], axis=0), strict=True)),
    }
    if medians := [one.median for one in several if one.median]:
        line |= dict(zip(_MEDIAN, _together(medians, levels), strict=True))
    return line


def _together(found: Sequence[_Found], levels: Sequence[float]) -> tuple[float, float, float]:
    """The mean level of runs, by its logarithm, and the ends of its interval, which are within the range of levels."""
    logs = [math.log(one.level) for one, _ in found]
    resampled = np.mean([again for _, again in found], axis=0)
    middle, low, high = paired(logs, resampled) if len(found) > 1 else (logs[0], *percentile(resampled))
    return math.exp(middle), max(math.exp(low), levels[0]), min(math.exp(high), levels[-1])


def _beside(
    keys: Sequence[tuple[str, str]],
    found: Mapping[tuple[str, str], _Of],
    references: pd.Series,
    titles: pd.Series,
) -> dict[str, Any]:
    """How many times the levels of the runs that these are compared with they tolerate; nothing where that is not
    known."""
    alike, title = [], ""
    for run, perturbation in keys:
        other = str(references[run]), perturbation
        if other in found and other[0] != run and found[other].tests.labels == found[run, perturbation].tests.labels:
            alike.append((found[run, perturbation].level, found[other].level))
            title = str(titles[other[0]])
    ratio = _ratio(alike, found[keys[0]].tests.levels)
    return {**ratio, "beside": title} if ratio else {}


def _ratio(pairs: Sequence[tuple[_Found, _Found]], levels: Sequence[float]) -> dict[str, float]:
    """How many times the level of the second of each pair the first is, and the ends of the interval; nothing where
    one is an end of these levels."""
    least, most = levels[0] * (1 + _NEAR), levels[-1] * (1 - _NEAR)
    if not pairs or any(not least < one.level < most for pair in pairs for one, _ in pair):
        return {}
    return dict(zip(_RATIO, tolerated_ratio(*map(list, zip(*pairs, strict=True))), strict=True))
