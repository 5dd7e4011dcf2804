"""What runs tolerate, from the predictions that were kept of their tests."""

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from robust.errors import check
from robust.measure import NATURAL
from robust.measure.calibration import detection
from robust.measure.intervals import paired, percentile, resampling_weights
from robust.measure.suites import LESS_IS_WORSE
from robust.measure.tolerance import Tolerated, median_limit, tolerated, tolerated_ratio
from robust.perturb.corruptions import CORRUPTIONS
from robust.report.tables import summary_table
from robust.runs import RunFolder
from robust.runs.limits import read_limits
from robust.values.numbers import is_number

#: the share of the natural model's accuracy on natural images that is to be kept, where no other is given
SHARE = 0.9
_FEWEST = 4  # levels
_NOT_ONE_WAY = "triangle@"  # of which a middle level is best
_NEAR = 1e-9  # of an end of their range, a level that is one
_KIND = ["title", "kind", "data", "model", "perturbation"]
_MEDIAN = ["median", "median_low", "median_high"]
_DETECTION = ["auroc", "fpr95"]
_RATIO = ["ratio", "ratio_low", "ratio_high", "beside"]
COLUMNS = [
    *_KIND,
    "seeds",
    "levels",
    "least",
    "most",
    "target",
    "level",
    "low",
    "high",
    "misfit",
    *_DETECTION,
    *_MEDIAN,
    *_RATIO,
]
_Found = tuple[Tolerated, np.ndarray]
_Weights = Callable[[int], Sequence[np.ndarray]]


class _Tests(NamedTuple):
    """A run's tests under one perturbation: its levels, how often each image was recognised at each, shape (levels,
    images), and unperturbed; the images' labels; and `odds_counts` of its confidence, unperturbed and at each level,
    where they were kept."""

    levels: list[float]
    correct: np.ndarray
    natural: np.ndarray
    labels: bytes
    classes: int
    odds: list[np.ndarray] | None


class _Of(NamedTuple):
    """What one run tolerates of one perturbation: the level, and that of the median image, where that was searched; and
    how well its confidence tells on which side of the level pictures are."""

    wanted: float
    level: _Found
    median: _Found | None
    tests: _Tests
    detection: tuple[float, float]


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
    for name, value in (("target", target), ("share", share)):
        holds = value is None or (is_number(value) and 0 < value < 1)
        check(
            name, value, "a number above 0 and below 1", holds, "It is an accuracy, or a share of one, as a fraction."
        )
    if not len(rows):
        return pd.DataFrame(columns=COLUMNS)
    summary = summary_table(rows, folders)
    runs = summary.drop_duplicates("run").set_index("run")
    references = runs["reference"].map(lambda own: beside or own)
    read = {folder: tests for folder in folders if folder.name in runs.index and (tests := _tests(folder, only))}
    found = _found(read, references, _wanted(read, target, share), resamples)
    about = pd.DataFrame([*found], columns=["run", "perturbation"]).join(runs, on="run")
    lines = []
    for kind, group in about.groupby(_KIND, sort=False):
        keys = [*group[["run", "perturbation"]].itertuples(index=False, name=None)]
        line = {**dict(zip(_KIND, kind, strict=True)), **_line([found[key] for key in keys])}
        lines.append({**line, **_ratio(keys, found, references, runs["title"])})
    return pd.DataFrame(lines, columns=COLUMNS)


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
    read: Mapping[Path, Mapping[str, _Tests]], references: pd.Series, wanted: Callable[[float], float], resamples: int
) -> dict[tuple[str, str], _Of]:
    """What each run tolerates of each perturbation."""
    weights: _Weights = functools.cache(lambda n: resampling_weights(n, resamples=resamples, seed=0))
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


def _tests(folder: Path, only: Collection[str]) -> dict[str, _Tests]:
    """A run's tests by perturbation, of those that were tested at enough levels."""
    if not RunFolder(folder).predictions.is_file():
        return {}
    predictions = RunFolder(folder).read_whole_tests()
    assert predictions is not None
    names = predictions["test_perturbation"]
    natural = predictions[names == NATURAL]
    if natural.empty:
        return {}
    labels, known = np.asarray(natural["label"].iloc[0]), _correct(natural)
    odds = _odds(RunFolder(folder))
    left_out = names.isin([NATURAL, *CORRUPTIONS]) | names.str.startswith(_NOT_ONE_WAY)
    found, chosen = {}, ~left_out & (names.isin([*only]) | (not only))
    for name, mine in predictions[chosen].groupby(names, sort=False):
        by_level = dict(sorted((level, _correct(some)) for level, some in mine.groupby("test_level") if level > 0))
        if len(by_level) >= _FEWEST:
            correct = np.stack([*by_level.values()])
            counts = [odds.get(one) for one in ((NATURAL, 0.0), *((str(name), level) for level in by_level))]
            kept = None if any(one is None for one in counts) else counts
            found[str(name)] = _Tests([*by_level], correct, known, labels.tobytes(), len({*labels.tolist()}), kept)
    return found


def _odds(files: RunFolder) -> dict[tuple[str, float], np.ndarray]:
    """`odds_counts` of a run's tests under each condition, over its trials."""
    kept = files.read_confidence("odds_counts")
    groups = [] if kept is None else kept.groupby(["test_perturbation", "test_level"])["odds_counts"]
    return {(str(name), float(level)): np.sum([*some], axis=0) for (name, level), some in groups}


def _detection(name: str, tests: _Tests, limit: float) -> tuple[float, float]:
    """How well confidence tells pictures up to the limit, natural ones too, from those beyond."""
    if tests.odds is None:
        return math.nan, math.nan
    levels, less = np.array(tests.levels), name.partition("@")[0] in LESS_IS_WORSE
    bound = limit <= levels[0] * (1 + _NEAR) if less else limit >= levels[-1] * (1 - _NEAR)
    within = np.r_[True, (levels > limit if less else levels < limit) | bound]
    odds = np.array(tests.odds)
    return detection(odds[within].sum(axis=0), odds[~within].sum(axis=0))


def _correct(tests: pd.DataFrame) -> np.ndarray:
    """How often each image was recognised, the mean over these trials."""
    return np.mean([one == other for one, other in zip(tests["label"], tests["predicted"], strict=True)], axis=0)


def _tolerated(name: str, tests: _Tests, target: float, weights: _Weights) -> _Found:
    more_is_worse = name.partition("@")[0] not in LESS_IS_WORSE
    chosen = weights(tests.correct.shape[1])
    guess = 1 / max(tests.classes, 2)
    return tolerated(
        tests.levels, tests.correct, tests.natural, target, guess=guess, weights=chosen, more_is_worse=more_is_worse
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


def _ratio(
    keys: Sequence[tuple[str, str]],
    found: Mapping[tuple[str, str], _Of],
    references: pd.Series,
    titles: pd.Series,
) -> dict[str, Any]:
    """How many times the levels of the runs that these are compared with they tolerate; nothing where that is not
    known."""
    alike, levels, title = [], found[keys[0]].tests.levels, ""
    for run, perturbation in keys:
        other = str(references[run]), perturbation
        if other in found and other[0] != run and found[other].tests.labels == found[run, perturbation].tests.labels:
            alike.append((found[run, perturbation].level, found[other].level))
            title = str(titles[other[0]])
    least, most = levels[0] * (1 + _NEAR), levels[-1] * (1 - _NEAR)
    if not alike or any(not least < one.level < most for pair in alike for one, _ in pair):
        return {}
    ratio = tolerated_ratio(*map(list, zip(*alike, strict=True)))
    return dict(zip(_RATIO, (*ratio, title), strict=True))
