"""Whether rows are what a run wrote."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_ABOUT = ["run", "data", "model", "technique", "train_perturbation", "train_level", "seed", "kind", "reference"]
_NUMBERS = ["train_level", "test_level", "accuracy", "n", "trial", "seed", "evaluation_seed"]
_TEST = ["test_perturbation", "test_level", "trial", "evaluation_seed"]
_WHOLE = ["n", "trial", "seed", "evaluation_seed"]


def sound_rows(rows: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """The rows of these `files`, each of one run, numbers as numbers; their index is the place of their file. Raises
    ValueError with the path of those that are not of one run, or not what tests come to."""
    numbers = _numbers(rows)
    if any(_faults(rows, numbers)):
        for place, group in rows.groupby(level=0):  # one by one, to name it
            for rule, value in _faults(group, _numbers(group)):
                raise ValueError(f"{files[place]} must hold {rule}; got {value}. Measure the run again.")
    whole = {name: numbers[name].astype(np.int64) for name in _WHOLE}
    return rows.assign(**numbers | whole)


def _numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
    return {name: pd.to_numeric(rows[name], errors="coerce") for name in _NUMBERS}


def _faults(rows: pd.DataFrame, numbers: dict[str, pd.Series]) -> Iterator[tuple[str, Any]]:
    """The rules that the rows break, and a value that does; their index tells the rows of runs apart."""
    rows = rows.assign(_place=rows.index)
    for name, values in numbers.items():
        if not (fine := np.isfinite(values)).all():
            yield f"numbers as `{name}`", repr(rows.loc[~fine, name].iloc[0])
    for name in _WHOLE:
        whole = (numbers[name] % 1 == 0) & (numbers[name].abs() < 2**63)
        if not (fine := whole & (numbers[name] >= (name == "n"))).all():
            yield f"whole numbers{' from 1' if name == 'n' else ''} as `{name}`", rows.loc[~fine, name].iloc[0]
    if not (fine := numbers["accuracy"].between(0, 1)).all():
        yield "an `accuracy` from 0 to 1", rows.loc[~fine, "accuracy"].iloc[0]
    other = (rows["test_perturbation"] == "natural") & (numbers["test_level"] != 0)
    if other.any():
        yield "natural images at `test_level` 0", rows.loc[other, "test_level"].iloc[0]
    if len(rows[["_place", *_ABOUT]].drop_duplicates()) > rows["_place"].nunique():
        name = next(name for name in _ABOUT if rows[name].nunique(dropna=False) > 1)
        yield f"one `{name}`, that of its run", ", ".join(map(repr, rows[name].unique()[:2]))
    if (again := rows.duplicated(["_place", *_TEST])).any():
        yield "each test once", " ".join(map(str, rows.loc[again, _TEST].iloc[0])) + " twice"
