"""The study's figures and ranking, on the page of runs."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.page import write_report


def test_a_grid_is_drawn_as_the_paper_draws_it_and_ranked(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    short = ["evaluation=camera", "evaluation.trials=1", "trainer.max_epochs=1"]
    runs = [make_run("technique=natural", *short)]
    runs += [make_run("perturb=noise", f"perturb.level={level}", *short) for level in (0.001, 0.01, 0.02, 0.05)]
    for run in runs:
        execute(run)
    out = write_report([run.folder for run in runs], tmp_path / "out").parent
    assert {"figure-A2.svg", "ranking.svg"} <= {path.name for path in (out / "figures").iterdir()}
    assert len(pd.read_csv(out / "tables" / "ranking.csv")) == 5
    for text in ((out / "index.html").read_text(), (out / "README.md").read_text()):
        assert "points of natural accuracy" in text
        assert "figure-A2.csv" in text
