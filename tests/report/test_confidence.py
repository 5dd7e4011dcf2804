"""Confidence: how it is spread, and what a network that abstains is right about."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.report.confidence import confidence_section, confidence_table
from robust.runs import State


def test_confidence_is_of_all_tests(make_run: Callable[..., Experiment]) -> None:
    runs: list[Path] = []
    for seed in range(2):
        run = make_run("technique=natural", "evaluation=camera", "evaluation.trials=1", f"seed={seed}")
        assert execute(run).state is State.DONE
        runs.append(run.folder)
    table = confidence_table(runs)
    assert set(table["tested"]) == {"natural", "camera"}
    natural = table[table["tested"] == "natural"]
    rows = [pd.read_csv(run / "rows.csv") for run in runs]
    assert natural["bin_counts"].sum() == 2 * rows[0]["n"].iloc[0]
    shown = confidence_section(runs).tables["confidence"].numbers.set_index("tested")
    accuracy = [one.query("test_perturbation == 'natural'")["accuracy"].item() for one in rows]
    assert shown.loc["natural", "accuracy"] == pytest.approx(np.mean(accuracy))
    assert 0 < shown.loc["camera", "confidence_wrong"] < 1
