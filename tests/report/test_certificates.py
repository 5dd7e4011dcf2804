"""Certified accuracy over seeds: each has a value at each size."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.measure.intervals import student
from robust.report.certificates import certificates_section, certified_accuracy
from robust.runs import RunFolder
from robust.runs.certificates import ATTACKED, add_certificates

WAY = {"certificate": "gaussian", "level": 0.25, "n0": 10, "n": 100, "alpha": 0.001, "seed": 0}


@pytest.fixture
def folders(tmp_path: Path, rows_of: Callable[..., pd.DataFrame], write: Callable[..., Path]) -> list[Path]:
    """Two seeds that are certified up to 0.31 and 0.11; the first was attacked at 0.12, which is on no grid."""
    found = []
    for seed, radius in enumerate((0.31, 0.11)):
        rows = rows_of(f"of-{seed}", {("natural", 0.0): 0.9}, technique="smoothing").assign(seed=seed)
        found.append(write(tmp_path / f"of-{seed}", rows))
        images = pd.DataFrame({"image": range(4), "label": 1, "predicted": [1, 1, 1, 2], "count": 90, "least": 0.8})
        add_certificates(RunFolder(found[-1]), images.assign(**WAY, radius=[0.01, radius, radius, 0.4]))
    attacked = pd.DataFrame({"image": range(4), "stands": [False, True, True, False]})
    add_certificates(RunFolder(found[0]), attacked.assign(**WAY, size=0.12), ATTACKED)
    return found


def test_a_seed_that_is_certified_less_far_counts_at_every_size(folders: list[Path]) -> None:
    lines = certified_accuracy(folders).set_index("size")
    assert (lines["seeds"] == 2).all()
    assert lines["certified"].is_monotonic_decreasing
    for size, each in {0.0: [0.75, 0.75], 0.1: [0.5, 0.5], 0.12: [0.5, 0.0], 0.3: [0.5, 0.0], 0.35: [0.0, 0.0]}.items():
        middle, low, high = student(pd.Series(each))
        found = lines.loc[size, ["certified", "low", "high"]].to_list()
        assert found == pytest.approx([middle, max(low, 0), min(high, 1)])
    assert lines.loc[0.12, ["attacked", "broken"]].to_list() == [0.5, 0]


def test_a_size_at_which_others_were_attacked_has_the_certified_accuracy(folders: list[Path]) -> None:
    certified = pd.DataFrame({"image": range(4), "label": 1, "predicted": 1, "count": 90, "least": 0.8})
    for one in folders:
        add_certificates(RunFolder(one), certified.assign(**{**WAY, "level": 0.5}, radius=0.9))
    (table,) = certificates_section(folders).tables.values()
    assert table.shown["0.12"].to_list() == ["25.0 [0.0, 100.0] (50.0)", "100.0 [100.0, 100.0]"]
