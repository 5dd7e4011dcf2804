"""How often a class is predicted for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from robust.measure.conditions import NATURAL, condition_title


def confusion_counts(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How often a class was predicted for which, over all trials of each condition: condition, true, predicted (names
    of `classes`), count; pairs that never occurred are left out.

    `predictions`: a row for each test, with test_perturbation, test_level, label and predicted, the latter two arrays
    with a number for every image (see `Measurement`).
    """
    tables = []
    for (name, level), group in predictions.groupby(["test_perturbation", "test_level"], sort=False):
        label, predicted = (np.concatenate(group[column].to_list()).astype(int) for column in ("label", "predicted"))
        counts = np.bincount(label * len(classes) + predicted, minlength=len(classes) ** 2)
        pairs = counts.nonzero()[0]
        named = {
            "true": np.take(classes, pairs // len(classes)),
            "predicted": np.take(classes, pairs % len(classes)),
        }
        tables.append(pd.DataFrame({"condition": condition_title(name, level), **named, "count": counts[pairs]}))
    return pd.concat(tables, ignore_index=True)


def confusion_shares(counts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """How often models of one kind took each class for which, over all of their `confusion_counts`: condition, true,
    predicted, count, share.

    Counts are summed over seeds and trials; `share` is the fraction of the images of the true class, the mean over the
    models, however many images each was shown. Pairs that never came up are left out. Classes stand in their own order.
    """
    names, of_class = ["condition", "true", "predicted"], ["condition", "true"]
    if not counts:
        return pd.DataFrame(columns=[*names, "count", "share"])
    each = [one.assign(share=one["count"] / one.groupby(of_class)["count"].transform("sum")) for one in counts]
    table = pd.concat(each).groupby(names, sort=False, as_index=False)[["count", "share"]].sum()
    classes = {name: place for place, name in enumerate(_classes(table))}
    tested = {name: place for place, name in enumerate(counts[0]["condition"].unique())}
    order = {"condition": tested, "true": classes, "predicted": classes}
    table = table.sort_values(names, key=lambda column: column.map(order[column.name]), ignore_index=True)
    table["share"] /= table.groupby(of_class)["share"].transform("sum")  # as many as the models
    return table


def merged_pairs(table: pd.DataFrame, *, most: int = 5) -> pd.DataFrame:
    """The confusions that grew most from natural images to each condition, the greatest first, `most` of each.

    Columns: condition, true, predicted, natural, perturbed, gained. A pair has a direction: `true` was taken for
    `predicted`; 4 for 9 and 9 for 4 are two. All three figures are fractions of the true class. `table` is that of
    `confusion_shares`. Raises ValueError where it has no natural images.
    """
    natural = natural_matrix(table)
    lines = []
    for condition in table["condition"].unique():
        if condition != NATURAL:
            pairs = pd.DataFrame({"natural": natural.stack(), "perturbed": matrix_of(table, condition).stack()})
            pairs = pairs.assign(gained=pairs["perturbed"] - pairs["natural"]).reset_index()
            pairs = pairs[(pairs["true"] != pairs["predicted"]) & (pairs["gained"] > 0)]
            pairs = pairs.sort_values("gained", ascending=False, kind="stable").head(most)
            lines.append(pairs.assign(condition=condition))
    columns = ["condition", "true", "predicted", "natural", "perturbed", "gained"]
    return pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns)


def _classes(table: pd.DataFrame) -> list[str]:
    """The classes in their own order: runs write them so, and each has test images."""
    return list(dict.fromkeys([*table["true"], *table["predicted"]]))


def matrix_of(table: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The shares under one condition: a row for each true class, a column for each predicted one."""
    classes = _classes(table)
    matrix = table[table["condition"] == condition].pivot(index="true", columns="predicted", values="share")
    return matrix.reindex(index=classes, columns=classes).fillna(0.0)


def natural_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """The shares on natural images. Raises ValueError where there are none."""
    if NATURAL not in set(table["condition"]):
        raise ValueError("`table` must hold natural images, to compare with; measure these runs on them first.")
    return matrix_of(table, NATURAL)


def hardest_levels(table: pd.DataFrame) -> list[str]:
    """Of each perturbation the condition with the fewest images recognised."""
    perturbed = table[table["condition"] != NATURAL]
    right = perturbed["count"].where(perturbed["true"] == perturbed["predicted"], 0)
    accuracy = right.groupby(perturbed["condition"], sort=False).sum()
    accuracy /= perturbed.groupby("condition", sort=False)["count"].sum()
    names = accuracy.index.str.rsplit(" ", n=1).str[0]
    return list(accuracy.groupby(names, sort=False).idxmin())
