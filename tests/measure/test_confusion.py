"""Counts of which class is predicted for which."""

import numpy as np
import pandas as pd
import pytest

from robust.measure import confusion_counts
from robust.measure.confusion import confusion_shares


def test_pairs_are_counted_over_the_trials_of_each_condition() -> None:
    label = np.array([0, 0, 1, 2], dtype=np.uint8)
    trials = {("hot", 2.0): [[0, 1, 1, 2], [0, 1, 1, 1]], ("natural", 0.0): [[0, 0, 1, 2]]}
    tests = [
        {"test_perturbation": name, "test_level": level, "label": label, "predicted": np.array(one, dtype=np.uint8)}
        for (name, level), found in trials.items()
        for one in found
    ]
    counts = confusion_counts(pd.DataFrame(tests), ("a", "b", "c"))
    assert list(counts.itertuples(index=False, name=None)) == [
        ("hot 2", "a", "a", 2),
        ("hot 2", "a", "b", 2),
        ("hot 2", "b", "b", 2),
        ("hot 2", "c", "b", 1),
        ("hot 2", "c", "c", 1),
        ("natural", "a", "a", 2),
        ("natural", "b", "b", 1),
        ("natural", "c", "c", 1),
    ]


def test_models_count_alike_however_many_images_each_was_shown() -> None:
    names = ["condition", "true", "predicted", "count"]
    whole = pd.DataFrame([("hot 2", "a", "a", 90), ("hot 2", "a", "b", 10), ("hot 2", "b", "b", 100)], columns=names)
    early = pd.DataFrame([("hot 2", "a", "a", 5), ("hot 2", "a", "b", 5), ("hot 2", "b", "b", 8)], columns=names)
    shares = confusion_shares([whole, early])
    assert shares["count"].tolist() == [95, 15, 108]
    assert shares["share"].tolist() == pytest.approx([0.7, 0.3, 1.0])
