"""Which classes are easy to modify, and which to mimic (CCRi, "Seeing with Deep Learning: Advances and Risks")."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from robust.report.attacks import succeeded


def success_matrix(attacks: pd.DataFrame, classes: int) -> np.ndarray:
    """The share of the images of each class that could be turned into each other class, shape (classes, classes), NaN
    on the diagonal and where nothing was tried.

    `attacks` are rows of `attacks.parquet` with a target; images that the network did not recognise before do not
    count.
    """
    tried = attacks[attacks["before"] == attacks["label"]]
    return _matrix(tried.groupby(["label", "target"])["success"].mean(), classes)


def distortion_matrix(attacks: pd.DataFrame, classes: int) -> np.ndarray:
    """The median distortion of the attacks that succeeded, for each class and target; else as `success_matrix`."""
    return _matrix(succeeded(attacks).groupby(["label", "target"])["distortion"].median(), classes)


def _matrix(values: pd.Series, classes: int) -> np.ndarray:
    """A value for each pair of label and target; NaN for those without."""
    every = range(classes)
    return values.unstack("target").reindex(index=every, columns=every).to_numpy(dtype=float)


def class_rates(matrix: np.ndarray) -> pd.DataFrame:
    """A line for each class: `modification`, the mean of its row, how easily its images become others, and `mimicked`,
    the mean of its column, how easily others become it; fractions, NaN where nothing was tried."""
    return pd.DataFrame({"modification": nanmean(matrix, 1), "mimicked": nanmean(matrix, 0)})


def nanmean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Means of the values that are not NaN; NaN where all are, without a warning."""
    there = np.isfinite(values).sum(axis)
    return np.divide(np.nansum(values, axis), there, out=np.full_like(there, np.nan, dtype=float), where=there > 0)


def category_rates(matrix: np.ndarray, categories: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """A line for each category, a set of classes: category, classes, `modification` (its images becoming any other
    class), `mimicked`, and `within` and `out_of`: the same to its own classes and to those of no such category."""
    lines = []
    for name, members in categories.items():
        own = np.isin(np.arange(len(matrix)), list(members))
        rates = class_rates(matrix)[own].mean()
        away, within = (nanmean(matrix[np.ix_(own, other)]) for other in (~own, own))
        lines.append({"category": name, "classes": int(own.sum()), **rates, "within": within, "out_of": away})
    return pd.DataFrame(lines)


def read_categories(tree: object, classes: Sequence[str]) -> dict[str, list[int]]:
    """The categories of a tree, name by name, as the numbers of their classes.

    A tree is a mapping of categories to trees or to lists of classes, or None. Raises ValueError for a class that is
    none.
    """
    found: dict[str, list[int]] = {}
    if tree is not None:
        _collect(tree, "", list(classes), found)
    return found


def _collect(tree: object, name: str, classes: list[str], found: dict[str, list[int]]) -> list[int]:
    if isinstance(tree, Mapping):
        members = []
        for inner, below in tree.items():
            found[str(inner)] = []  # above what it holds
            found[str(inner)] = _collect(below, str(inner), classes, found)
            members += found[str(inner)]
        return members
    members = []
    for one in tree if isinstance(tree, Sequence) and not isinstance(tree, str) else [tree]:
        if str(one) not in classes:
            key = f"data.categories.{name}".rstrip(".")
            raise ValueError(f"`{key}` must list classes of the data set ({', '.join(classes)}); got {one}.")
        members.append(classes.index(str(one)))
    return members
