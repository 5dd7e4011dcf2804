"""How often a class is predicted for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from robust.measure.conditions import condition_title


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
