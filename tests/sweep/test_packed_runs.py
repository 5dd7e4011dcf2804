"""Runs that share a device are the runs that they are alone."""

from pathlib import Path

import pandas as pd

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.runs import State, read_status
from robust.sweep import launch

QUICK = ["trainer.max_epochs=3", "trainer.threads=1", "trainer.accelerator=cpu", "evaluation.trials=2"]


def test_a_diverging_neighbour_changes_nothing(tmp_path: Path) -> None:
    good = ["perturb=blur", "technique=constant", *QUICK]
    bad = ["technique=natural", "optimizer.lr=1e30", *QUICK]
    together = [[*one, f"runs_dir={tmp_path / 'together'}"] for one in (good, bad)]
    reasons = launch(together, pack=2)
    assert reasons[0] == ""
    assert reasons[1].startswith("Training diverged")
    beside = prepare(together[0])
    assert read_status(prepare(together[1]).folder).state is State.FAILED
    alone = prepare([*good, f"runs_dir={tmp_path / 'alone'}"])
    assert execute(alone).state is State.DONE
    assert sorted(one.name for one in beside.folder.iterdir()) == sorted(one.name for one in alone.folder.iterdir())
    rows = [pd.read_csv(run.folder / "rows.csv") for run in (beside, alone)]
    pd.testing.assert_frame_equal(*rows)
