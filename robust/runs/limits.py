"""The levels at which the predictions of runs' test images fall, where that was measured."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from robust.runs.folder import RunFolder
from robust.runs.formats import DamagedError

#: the file, and its columns (see `robust.measure.limits`)
LIMITS = "tolerance.parquet"
_ARRAYS = ("levels", "label", "falls", "predicted", "fragile", "shape")
_COLUMNS = ("test_perturbation", "evaluation_seed", *_ARRAYS, "natural", "fallen")


def read_limits(folder: RunFolder) -> pd.DataFrame | None:
    """A run's searches (see `robust.measure.measure_limits`); None where there are none."""
    if (found := folder.read_extra_table(LIMITS, _COLUMNS)) is None:
        return None
    for line in found.to_dict("records"):
        if not all(isinstance(line[name], np.ndarray) and line[name].dtype.kind in "iuf" for name in _ARRAYS):
            raise DamagedError(folder.path / LIMITS, "not all of its lists are numbers")
        counts, falls = {len(line[name]) for name in ("label", "falls", "predicted")}, line["falls"]
        if len(counts) > 1 or not falls.size or not 0 <= falls.min() <= falls.max() <= len(line["levels"]) + 1:
            raise DamagedError(folder.path / LIMITS, "its images and levels do not belong together")
    return found


def image_limits(folders: Iterable[Path]) -> pd.DataFrame:
    """A row for each test image of each run, and each perturbation: run, perturbation, image (its number), label,
    natural (whether it is recognised unperturbed), level, at which its prediction falls, and predicted, what it is then
    taken for. Level is NaN where it does not fall within the levels, or is wrong unperturbed."""
    found = []
    for folder in folders:
        known = read_limits(RunFolder(folder))
        for line in [] if known is None else known.to_dict("records"):
            falls = line["falls"]
            levels = np.concatenate([[np.nan], line["levels"], [np.nan]])
            columns = {"image": np.arange(len(falls)), "label": line["label"], "natural": falls > 0}
            columns |= {"level": levels[falls], "predicted": line["predicted"]}
            about = {"run": folder.name, "perturbation": line["test_perturbation"]}
            found.append(pd.DataFrame(columns).assign(**about)[[*about, *columns]])
    names = ["run", "perturbation", "image", "label", "natural", "level", "predicted"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names)
