"""What runs tolerate, from the predictions that were kept of their tests."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from robust.measure import NATURAL, TEST_KEY
from robust.measure.intervals import paired, percentile, resampling_weights
from robust.measure.suites import LESS_IS_WORSE
from robust.measure.tolerance import Tolerated, tolerated, tolerated_ratio
from robust.perturb.corruptions import CORRUPTIONS
from robust.report.tables import summary_table
from robust.runs import RunFolder

#: the share of the natural model's accuracy on natural images that is to be kept, where no other is given
SHARE = 0.9
_FEWEST = 4  # levels
_NOT_ONE_WAY = "triangle@"  # of which a middle level is best
_NEAR = 1e-9  # of an end of their range, a level that is one
_KIND = ["title", "kind", "data", "model", "perturbation"]
COLUMNS = [*_KIND, "seeds", "levels", "least", "most", "target", "level", "low", "high", "misfit"]
_RATIO = ["ratio", "ratio_low", "ratio_high"]


class _Tests(NamedTuple):
    """A run's tests under one perturbation: its levels, how often each image was recognised at each, shape (levels,
    images), and unperturbed; the images' labels."""

    levels: list[float]
    correct: np.ndarray
    natural: np.ndarray
    labels: bytes
    classes: int


_Found = tuple[Tolerated, np.ndarray]


def tolerated_levels(
    folders: Sequence[Path],
    rows: pd.DataFrame,
    *,
    target: float | None = None,
    share: float = SHARE,
    resamples: int = 1000,
) -> pd.DataFrame:
    """A line for each kind of run and perturbation that it was tested under at four levels or more: the level at which
    its accuracy crosses the `target`, or this share of the natural model's accuracy on natural images.

    Columns: title, kind, data, model, perturbation, seeds, levels (how many), least and most of these, target; level,
    low and high, its 95 % interval, over the images and, of several runs, the seeds; an end of the range of levels
    stands for all beyond; misfit (see `Tolerated`); ratio, ratio_low and ratio_high: how many times the natural model's
    level that is (where less is worse, a smaller one is better), NaN where there is none, or one of both is a bound.
    Published corruptions, whose levels are no quantity, are left out, and those of which a middle level is best.
    """
    if not len(rows):
        return pd.DataFrame(columns=[*COLUMNS, *_RATIO])
    summary = summary_table(rows, folders)
    runs = summary.drop_duplicates("run").set_index("run")
    weights = functools.cache(lambda n: resampling_weights(n, resamples=resamples, seed=0))
    read = {folder.name: _tests(folder) for folder in folders if folder.name in runs.index}
    found: dict[tuple[str, str], tuple[float, _Found, _Tests]] = {}
    for name, tests in read.items():
        reference = str(runs.loc[name, "reference"])
        for perturbation, mine in tests.items():
            natural = read.get(reference, {}).get(perturbation, mine).natural.mean()
            wanted = share * float(natural) if target is None else target
            found[name, perturbation] = wanted, _tolerated(perturbation, mine, wanted, weights), mine
    lines = []
    about = pd.DataFrame([*found], columns=["run", "perturbation"]).join(runs, on="run")
    for kind, group in about.groupby(_KIND, sort=False):
        keys = [*group[["run", "perturbation"]].itertuples(index=False, name=None)]
        lines.append({**dict(zip(_KIND, kind, strict=True)), **_line(keys, found, runs["reference"])})
    return pd.DataFrame(lines, columns=[*COLUMNS, *_RATIO])


def _tests(folder: Path) -> dict[str, _Tests]:
    """A run's tests by perturbation, of those that were tested at enough levels."""
    if not RunFolder(folder).predictions.is_file():
        return {}
    predictions = RunFolder(folder).read_predictions([*TEST_KEY, "label", "predicted"])
    assert predictions is not None
    names = predictions["test_perturbation"]
    natural = predictions[names == NATURAL]
    if natural.empty:
        return {}
    labels, known = np.asarray(natural["label"].iloc[0]), _correct(natural)
    found = {}
    left_out = names.isin([NATURAL, *CORRUPTIONS]) | names.str.startswith(_NOT_ONE_WAY)
    for name, mine in predictions[~left_out].groupby(names, sort=False):
        by_level = dict(sorted((level, _correct(some)) for level, some in mine.groupby("test_level") if level > 0))
        if len(by_level) >= _FEWEST:
            correct = np.stack([*by_level.values()])
            found[str(name)] = _Tests([*by_level], correct, known, labels.tobytes(), len({*labels.tolist()}))
    return found


def _correct(tests: pd.DataFrame) -> np.ndarray:
    """How often each image was recognised, the mean over these trials."""
    return np.mean([one == other for one, other in zip(tests["label"], tests["predicted"], strict=True)], axis=0)


def _tolerated(name: str, tests: _Tests, target: float, weights: Callable[[int], Sequence[np.ndarray]]) -> _Found:
    more_is_worse = name.partition("@")[0] not in LESS_IS_WORSE
    chosen = weights(tests.correct.shape[1])
    guess = 1 / max(tests.classes, 2)
    return tolerated(
        tests.levels, tests.correct, tests.natural, target, guess=guess, weights=chosen, more_is_worse=more_is_worse
    )


def _line(
    keys: Sequence[tuple[str, str]],
    found: Mapping[tuple[str, str], tuple[float, _Found, _Tests]],
    references: pd.Series,
) -> dict[str, Any]:
    """What runs of one kind come to under one perturbation."""
    mine = [found[key] for key in keys]
    levels = mine[0][2].levels
    several = [(wanted, one) for wanted, one, tests in mine if tests.levels == levels]
    logs = [math.log(one.level) for _, (one, _) in several]
    resampled = np.mean([again for _, (_, again) in several], axis=0)
    middle, low, high = paired(logs, resampled) if len(several) > 1 else (logs[0], *percentile(resampled))
    least, most = levels[0], levels[-1]
    line = {
        "seeds": len(several),
        "levels": len(levels),
        "least": least,
        "most": most,
        "target": float(np.mean([wanted for wanted, _ in several])),
        "level": math.exp(middle),
        "low": max(math.exp(low), least),
        "high": min(math.exp(high), most),
        "misfit": max(one.misfit for _, (one, _) in several),
    }
    alike = []
    for run, perturbation in keys:
        other = str(references[run]), perturbation
        if other in found and other[0] != run:
            (_, one, tests), (_, two, its) = found[run, perturbation], found[other]
            if tests.labels == its.labels:
                alike.append((one, two))
    bounds = [
        one.level for pair in alike for one, _ in pair if not least * (1 + _NEAR) < one.level < most * (1 - _NEAR)
    ]
    if alike and not bounds:
        line |= dict(zip(_RATIO, tolerated_ratio(*map(list, zip(*alike, strict=True))), strict=True))
    return line
