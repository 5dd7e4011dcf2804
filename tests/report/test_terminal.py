"""Tables in a terminal: whole at any width, without their price where it does not fit."""

import re

import pandas as pd
import pytest

from robust.report.terminal import print_table

SCORES = pd.DataFrame(
    {
        "trained": ["natural", "constant noise 0.05", "constant pixel_dropout 0.3"],
        "seeds": [3, 3, 3],
        "natural": ["97.0 ±0.4", "97.0 → 98.1 ±0.3", "97.0 → 96.2 ±0.3"],
        "camera": ["43.8 ±3.0", "43.8 → 93.7 ±3.6 (3 of 9 seen)", "43.8 → 71.2 ±2.9"],
        "noise": ["56.9 ±1.2", "56.9 → 98.5 ±0.2*", ""],
        "worst condition": ["noise 0.2 (tie of 2)", "hot 20", "horizontal_motion_blur 9*"],
        "worst accuracy": ["20.0", "20.0 → 61.7", "≥ 30.0"],
        "seconds": ["12.7", "1,232", "12.6"],
        "joules": ["340", "341", "342"],
    }
)


def printed(
    table: pd.DataFrame, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal that wide
    print_table(table, "test accuracy, %")
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120, 160])
def test_nothing_is_clipped_or_lost_in_a_narrow_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(SCORES, width, monkeypatch, capsys)
    priced = "seconds and joules: in a wider terminal" not in shown
    wanted = SCORES if priced else SCORES.drop(columns=["seconds", "joules"])
    words = {
        word for name in wanted for cell in (name, *wanted[name]) if cell != "trained" for word in str(cell).split()
    }
    assert words - {*re.split(r"[\s:]+", shown)} == set()
    assert max(map(len, shown.splitlines())) <= width
    assert priced == (width in (30, 60, 80, 160)), "what it cost goes first, and a block has room for it"


@pytest.mark.parametrize(("width", "blocks"), [(60, True), (110, False)])
def test_a_table_that_does_not_fit_is_a_block_for_each_line(
    width: int, blocks: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(SCORES, width, monkeypatch, capsys).splitlines()
    assert ("  camera: 43.8 → 93.7 ±3.6 (3 of 9 seen)" in lines) == blocks
    assert any(line.startswith("constant noise 0.05 ") for line in lines) != blocks
