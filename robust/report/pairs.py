"""One technique against another, seed by seed and image by image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from robust.measure import NATURAL, condition_title
from robust.measure.intervals import paired, resampled_means, resampling_weights
from robust.report.claims import FEWEST_SEEDS
from robust.report.titles import disambiguate
from robust.runs import RunFolder, collect

MEAN = "mean over all"
_TRAINED = ["data", "model", "train_perturbation", "train_level"]
#: what two kinds of runs are called, and the folders of each, in the order of their shared seeds
_Pair = tuple[dict[str, Any], list[Path], list[Path]]
_COLUMNS = [
    *(*_TRAINED, "first", "second", "condition"),
    *("difference", "low", "high", "seeds", "images", "better"),
]


@dataclass(frozen=True)
class _Scores:
    """One run's accuracy under each condition, in which trials, and on every resample of the images (a column each)."""

    labels: bytes
    images: int
    accuracy: pd.Series
    trials: pd.Series
    resampled: pd.DataFrame


def technique_differences(folders: Sequence[Path], *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How far techniques lie apart: one line for each pair of them and each condition that all their runs were tested
    under in the same trials.

    Techniques are compared, and each with the natural model, where they were trained on the same data and the same
    perturbation and level, with at least 3 seeds in common. Columns: data, model, train_perturbation, train_level,
    first, second, condition, difference (accuracy of the first minus that of the second, a fraction), low, high,
    seeds, images, `better` (the technique's name where the interval excludes 0, else ""). The condition
    "mean over all" is the mean over those that they share. Runs whose predictions were not kept are passed over.

    `low` to `high` is a 95 % interval for other seeds and other images (crossed: each seed saw the same images),
    paired over both (see `intervals.paired`). Images are resampled `resamples` times, alike for all runs. Seeds are
    not: three of them, resampled, give an interval far too narrow.
    Each interval stands for itself: of many lines without a difference, one in twenty may still name a technique.
    """
    pairs = list(_pairs(_runs(folders))) if folders else []
    needed = dict.fromkeys(folder for _, *sides in pairs for side in sides for folder in side)
    weights: dict[int, list[np.ndarray]] = {}
    scores = {}
    for folder in tqdm(needed, desc="comparing", unit="run", delay=1, leave=False, disable=None):
        labels, correct, trials = correct_images(folder)
        images = correct.shape[1]
        if images not in weights:
            weights[images] = resampling_weights(images, resamples=resamples, seed=seed)
        resampled = pd.DataFrame(resampled_means(correct.to_numpy(), weights[images]), index=correct.index)
        scores[folder] = _Scores(labels, images, correct.mean(axis=1), trials, resampled)
    lines = []
    for names, *sides in pairs:
        first, second = ([scores[folder] for folder in side] for side in sides)
        if len({one.labels for one in (*first, *second)}) == 1:  # data of one name may be other images
            lines += [names | line for line in _compare(first, second, names["first"], names["second"])]
    return pd.DataFrame(lines, columns=_COLUMNS)


def _runs(folders: Sequence[Path]) -> pd.DataFrame:
    """One line for each run: what it is, and its `folder`."""
    runs = collect(folders).drop_duplicates("run")
    kept = {folder.name: folder for folder in folders if RunFolder(folder).predictions.is_file()}
    return runs.assign(folder=runs["run"].map(kept)).dropna(subset="folder").set_index("run", drop=False)


def _pairs(runs: pd.DataFrame) -> Iterator[_Pair]:
    """Techniques by twos, and each with its natural runs, where they have enough seeds in common."""
    for trained, group in runs[runs["technique"] != NATURAL].groupby(_TRAINED, sort=False):
        kinds = [(name, kind.set_index("seed")) for name, kind in _named_kinds(group)]
        twos = [(a, b) for a, b in combinations(kinds, 2) if a[1]["technique"].iloc[0] != b[1]["technique"].iloc[0]]
        natural = [runs[runs["run"].isin(kind["reference"])].set_index("seed") for _, kind in kinds]
        twos += [(kind, (NATURAL, its)) for kind, its in zip(kinds, natural, strict=True)]
        for (first, ours), (second, theirs) in twos:
            seeds = sorted(set(ours.index) & set(theirs.index))
            if len(seeds) >= FEWEST_SEEDS:
                names = dict(zip(_TRAINED, trained, strict=True)) | {"first": first, "second": second}
                yield names, list(ours["folder"][seeds]), list(theirs["folder"][seeds])


def _named_kinds(group: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The runs of each kind, by their technique's name; with what sets them apart where that came in several kinds."""
    kinds = group.drop_duplicates("kind")
    names = disambiguate(
        kinds["technique"], kinds["kind"], folders=dict(zip(kinds["kind"], kinds["folder"], strict=True))
    )
    for name, kind in zip(names, kinds["kind"], strict=True):
        yield name, group[group["kind"] == kind]


def correct_images(folder: Path) -> tuple[bytes, pd.DataFrame, pd.Series]:
    """The labels; how often each image was recognised, a row for each condition, the mean over its trials; and which
    trials these are, a set of evaluation's seed and trial for each."""
    test, trial = ["test_perturbation", "test_level"], ["evaluation_seed", "trial"]
    tests = RunFolder(folder).read_predictions([*test, *trial, "label", "predicted"])
    assert tests is not None
    names, rows, made = [], [], []
    for (name, level), group in tests.groupby(test, sort=False):
        names.append(condition_title(name, level))
        trials = [one == other for one, other in zip(group["label"], group["predicted"], strict=True)]
        rows.append(np.mean(trials, axis=0))
        made.append(frozenset(group[trial].itertuples(index=False, name=None)))
    return tests["label"].iloc[0].tobytes(), pd.DataFrame(np.stack(rows), names), pd.Series(made, names)


def _compare(first: list[_Scores], second: list[_Scores], name: str, other: str) -> Iterator[dict[str, Any]]:
    """One line for each condition that all these runs were tested under alike, and one for their mean."""
    others = [run.trials for run in (*first, *second)]
    shared = [name for name, made in first[0].trials.items() if all(one.get(name) == made for one in others)]
    if not shared:
        return
    pairs = list(zip(first, second, strict=True))
    seeds = np.stack([one.accuracy[shared] - two.accuracy[shared] for one, two in pairs])
    images = np.mean([one.resampled.loc[shared] - two.resampled.loc[shared] for one, two in pairs], axis=0)
    for place, condition in enumerate([*shared, MEAN]):
        chosen = slice(None) if condition == MEAN else slice(place, place + 1)
        difference, low, high = paired(seeds[:, chosen].mean(axis=1), images[chosen].mean(axis=0))
        yield {
            "condition": condition,
            "difference": difference,
            "low": low,
            "high": high,
            "seeds": len(seeds),
            "images": first[0].images,
            "better": name if low > 0 else other if high < 0 else "",
        }
