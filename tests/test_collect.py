"""`python -m robust.collect`."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from robust.experiment.execute import execute
from robust.experiment.experiment import Run
from robust.runs.tables import COLUMNS

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_rows_of_240_runs_become_one_table_in_under_five_seconds(
    command: Command, make_run: Callable[..., Run], tmp_path: Path
) -> None:
    first = make_run("evaluation=all", "evaluation.trials=25", "trainer.max_epochs=1")
    execute(first)
    rows = (first.folder / "rows.csv").read_text()
    for number in range(1, 240):
        folder = first.folder.with_name(f"copy-{number}")
        folder.mkdir()
        shutil.copy(first.folder / "status.json", folder)
        (folder / "rows.csv").write_text(rows.replace(first.folder.name, folder.name))
    before = os.times()
    done = command("-m", "robust.collect", str(tmp_path / "runs"), "--out", str(tmp_path / "all"))
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5
    count = 240 * 154
    assert done.stdout == f"{count} rows of 240 runs: {tmp_path / 'all'}.parquet, {tmp_path / 'all'}.csv\n"
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert list(table.columns) == COLUMNS
    assert len(table) == count
    assert table["train_perturbation"].eq("noise").all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "all.csv", keep_default_na=False), table, check_dtype=False)


def test_it_says_what_is_wrong_with_its_runs(command: Command, tmp_path: Path) -> None:
    done = command("-m", "robust.collect", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: There are no finished runs in {tmp_path}.")
