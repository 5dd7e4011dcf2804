"""The page of `make bench-gpu`, also where something could not be measured."""

from pathlib import Path

import pandas as pd

from robust.bench.packing import _grid
from robust.bench.packing_page import Line, write_page


def test_the_page_says_what_was_measured_and_what_could_not_be(tmp_path: Path) -> None:
    lines = [Line("pack", "digits", "processes", count, 10.0 * count, "steps/s") for count in (1, 2)]
    lines.append(Line("pack", "digits", "graphs", 1, float("nan"), "steps/s", "CUDA graphs need a GPU."))
    write_page(lines, tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| pack | digits | processes | 2 | 20 steps/s |" in page
    assert "| pack | digits | graphs | 1 |  | CUDA graphs need a GPU. |" in page
    assert "no GPU" in page
    assert (tmp_path / "packing.svg").stat().st_size > 0
    assert len(pd.read_csv(tmp_path / "packing.csv")) == 3


def test_the_grid_is_what_its_steps_and_tests_take() -> None:
    """Of a data set without models in the grid it takes no time."""
    packs = [Line("pack", "digits", how, 1, 10.0, "steps/s") for how in ("processes", "processes, transferred")]
    lines = [Line("step", "digits", "float32", 1, 1.0, "steps/s"), *packs, Line("test", "digits", "hot", 1, 1.0, "")]
    (line,) = _grid(lines)
    assert line.figure == 0
    assert line.note.startswith("extrapolated: 0 models")
    assert line.unit == "minutes"
