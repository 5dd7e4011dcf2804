"""Certified accuracy over seeds: each has a value at each size."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.measure.intervals import student
from robust.report.certificates import certificates_section, certified_accuracy, print_certificates
from robust.runs import RunFolder
from robust.runs.certificates import ATTACKED, CERTIFICATES, add_certificates, read_certificates

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
        add_certificates(RunFolder(one), certified.assign(**{**WAY, "level": 0.5}, radius=0.9, most=0.95))
    (table,) = certificates_section(folders).tables.values()
    assert table.shown["0.12"].to_list() == ["25.0 [0.0, 100.0] (50.0)", "100.0 [100.0, 100.0]"]
    assert "In parentheses" in table.note


def test_beyond_what_n_copies_can_certify_nothing_looks_measured(folders: list[Path]) -> None:
    """Noise 0.5 is certified up to 0.9 of at most 0.95; 0.25, of which 0.5 is the most, up to 0.31."""
    certified = pd.DataFrame({"image": range(4), "label": 1, "predicted": 1, "count": 90, "least": 0.8})
    for one in folders:
        (one / ATTACKED).unlink(missing_ok=True)
        (one / "sums.json").unlink()
        before = read_certificates(RunFolder(one)).assign(most=0.5)
        (one / CERTIFICATES).unlink()
        add_certificates(RunFolder(one), before)
        add_certificates(RunFolder(one), certified.assign(**{**WAY, "level": 0.5}, radius=0.9, most=0.95))
    section = certificates_section(folders)
    (table,), (drawing,) = section.tables.values(), section.drawings.values()
    assert table.shown["largest size"].to_list() == ["0.5", "0.95"]
    cells = table.shown.set_index("copies").loc["noise 0.25"]
    assert cells["0.45"] == "0.0 [0.0, 0.0]", "which was measured"
    assert cells["0.6"] == "beyond n"
    lines = drawing.numbers.query("level == 0.25")
    assert lines.loc[lines["size"] > 0.5, ["certified", "low", "high"]].isna().all(axis=None)
    assert drawing.caption.endswith(": 0.5, 0.95.")
    assert "parentheses" not in table.note


def test_the_terminal_shows_what_was_asked_for_and_the_page_tells_all_apart(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    more = read_certificates(RunFolder(folders[0])).assign(n0=30, n=7777)
    add_certificates(RunFolder(folders[0]), more)
    print_certificates({folders[0]: {**WAY, "n0": 30, "n": 7777}})
    assert re.findall(r"7,777| 100 ", said := capsys.readouterr().out) == ["7,777"], said
    (table,) = certificates_section(folders[:1]).tables.values()
    assert table.shown[["n", "n0"]].to_numpy().tolist() == [["100", 10], ["7,777", 30]]
