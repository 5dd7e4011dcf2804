"""`make bench-gpu`: rehearsed on the CPU, on the digits; its page, also where something could not be measured."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.gpu import Effort, measure_all
from benchmarks.gpu_page import Line, write_page
from benchmarks.grid import grid


def test_all_of_it_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    lines = measure_all(["digits", "nothing"], Effort(0.02, 20, most=2), budget_s=math.inf, sweep="digits")
    assert "left out: nothing" in capsys.readouterr().out
    assert [line for line in lines if not line.figure > 0] == []
    assert {line.section for line in lines} == {"step", "pack", "perturb", "test", "attack", "certify", "grid"}
    assert {"noise", "fog", "camera"} <= {line.how for line in lines}


def test_what_there_is_no_time_for_is_said() -> None:
    lines = measure_all(["digits"], Effort(0.02, 20), budget_s=0, sweep="digits")
    assert {line.note for line in lines if line.section != "grid"} == {"not measured: the time was up"}
    assert np.isnan([line.figure for line in lines]).all()


def test_the_page_says_what_was_measured_and_what_could_not_be(tmp_path: Path) -> None:
    lines = [Line("pack", "digits", "processes", count, 10.0 * count, "steps/s") for count in (1, 2)]
    lines.append(Line("pack", "digits", "processes", 4, unit="steps/s", note="A process died."))
    write_page(lines, tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| pack | digits | processes | 2 | 20 steps/s |" in page
    assert "| pack | digits | processes | 4 |  | A process died. |" in page
    assert len(pd.read_csv(tmp_path / "gpu.csv")) == 3


def test_the_grid_is_what_its_steps_and_tests_take() -> None:
    packs = [Line("pack", "digits", how, 1, 100.0, "steps/s") for how in ("processes", "processes, transferred")]
    lines = [Line("step", "digits", "float32", 1, 100.0, "steps/s"), *packs]
    tested = Line("test", "digits", "hot", 1, 1e5, "images/s")

    def minutes(*measured: Line) -> float:
        line, every = grid(list(measured), sweep="digits", only=["perturb=noise"])
        assert every.figure == line.figure
        assert (line.data, line.unit) == ("digits", "minutes")
        assert line.note.startswith("extrapolated: 15 models trained in ")
        return line.figure

    whole = minutes(*lines, tested)
    faster = minutes(*(replace(line, figure=200.0) for line in lines), tested)
    without_tests = minutes(*lines, replace(tested, figure=float("inf")))
    assert 0 < without_tests < whole
    assert whole - faster == pytest.approx(without_tests / 2), "twice as fast, half the time"
