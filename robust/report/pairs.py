"""One technique against another, seed by seed and image by image."""

import functools
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from robust.measure import NATURAL
from robust.measure.claims import FEWEST_SEEDS
from robust.measure.intervals import resampling_weights
from robust.measure.paired import image_scores, paired_differences
from robust.progress import progressing
from robust.runs import RunFolder, collect
from robust.runs.titles import disambiguate

_TRAINED = ["data", "model", "train_perturbation", "train_level"]
#: what two kinds of runs are called, and the folders of each, in the order of their shared seeds
_Pair = tuple[dict[str, Any], list[Path], list[Path]]
_COLUMNS = [
    *(*_TRAINED, "first", "second", "condition"),
    *("difference", "low", "high", "seeds", "images", "better"),
]


def technique_differences(folders: Sequence[Path], *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How far techniques lie apart: one line for each pair of them and each condition that all their runs were tested
    under in the same trials.

    Techniques are compared, and each with the natural model, where they were trained on the same data and the same
    perturbation and level, with at least 3 seeds in common. Columns: data, model, train_perturbation, train_level,
    first, second, condition, difference (accuracy of the first minus that of the second, a fraction), low, high,
    seeds, images, `better` (the technique's name where the interval excludes 0, else ""). The condition
    "mean over all" is the mean over those that they share. Runs whose predictions were not kept are passed over,
    and conditions that ended early.

    `low` to `high` is a 95 % interval for other seeds and other images (crossed: each seed saw the same images),
    paired over both (see `intervals.paired`). Images are resampled `resamples` times, alike for all runs. Seeds are
    not: three of them, resampled, give an interval far too narrow.
    Each interval stands for itself: of many lines without a difference, one in twenty may still name a technique.
    """
    pairs = list(_pairs(_runs(folders))) if folders else []
    needed = dict.fromkeys(folder for _, *sides in pairs for side in sides for folder in side)
    weights = functools.cache(functools.partial(resampling_weights, resamples=resamples, seed=seed))
    scores = {}
    for folder in progressing(needed, "comparing", "run", len(needed)):
        predictions = RunFolder(folder).read_whole_tests()
        assert predictions is not None
        if len(predictions):
            scores[folder] = image_scores(predictions, weights)
    lines = []
    for names, *sides in pairs:
        if not all(folder in scores for side in sides for folder in side):
            continue
        for line in paired_differences(*([scores[folder] for folder in side] for side in sides)):
            better = names["first"] if line["low"] > 0 else names["second"] if line["high"] < 0 else ""
            lines.append({**names, **line, "better": better})
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
        natural = [runs.loc[runs.index.intersection(kind["reference"])].set_index("seed") for _, kind in kinds]
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
    yield from zip(names, (kind for _, kind in group.groupby("kind", sort=False)), strict=True)
