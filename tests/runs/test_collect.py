"""The rows of many runs as one table; which runs lie in a folder, and which of them an older version made."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import make_rows, write_run

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.measure import CALIBRATION, TEST_KEY, Measurement
from robust.runs import VERSION, Identity, RunFolder, State, claimed, collect, find_older, find_runs, write_status
from robust.runs.contents import read_many_rows, read_rows
from robust.runs.tables import COLUMNS

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_rows_of_240_runs_become_one_table_in_under_five_seconds(
    command: Command, make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    first = make_run("evaluation=camera", "evaluation.trials=1", "trainer.max_epochs=1")
    execute(first)
    once = pd.read_csv(first.folder / "rows.csv", keep_default_na=False)
    drawn = once[~once["test_perturbation"].isin(["natural", "blur"])]
    rows = pd.concat([once, *(drawn.assign(trial=trial) for trial in range(1, 25))]).to_csv(index=False)
    for number in range(240):
        folder = tmp_path / "copies" / f"copy-{number}"
        folder.mkdir(parents=True)
        shutil.copy(first.folder / "status.json", folder)
        (folder / "rows.csv").write_text(rows.replace(first.folder.name, folder.name))
    before = os.times()
    done = command("-m", "robust", "collect", str(tmp_path / "copies"), "--out", str(tmp_path / "all"))
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5
    count = 240 * 154
    assert done.stdout == f"{count} rows of 240 runs: {tmp_path / 'all'}.parquet, {tmp_path / 'all'}.csv\n"
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert list(table.columns)[: len(COLUMNS)] == COLUMNS
    assert (table["price.seconds"] > 0).all()
    assert len(table) == count
    assert table["train_perturbation"].eq("noise").all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "all.csv", keep_default_na=False), table, check_dtype=False)


def test_while_a_sweep_runs_the_rows_of_what_is_done_are_read(tmp_path: Path) -> None:
    for name in ("done", "under_way"):
        write_run(tmp_path / name, make_rows(name, {("natural", 0.0): 0.9}))
    with claimed(tmp_path / "under_way"):
        (tmp_path / "under_way" / ".machine-1-half.partial").write_text("run,data,mo")
        assert set(collect(find_runs([tmp_path]))["run"]) == {"done"}
    assert set(collect(find_runs([tmp_path]))["run"]) == {"done", "under_way"}


def test_runs_of_two_machines_are_merged_by_copying_folders(tmp_path: Path) -> None:
    for place, name in (("here", "a"), ("here", "both"), ("there", "b"), ("there", "both")):
        write_run(tmp_path / place / name, make_rows(name, {("natural", 0.0): 0.9}))
    shutil.copytree(tmp_path / "there", tmp_path / "here", dirs_exist_ok=True)
    assert sorted(collect(find_runs([tmp_path / "here"]))["run"].unique()) == ["a", "b", "both"]


def test_what_holds_no_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match=f"There are no finished runs in {tmp_path}"):
        find_runs([tmp_path])
    for name, what in {"file": "a file", "missing": "not there"}.items():
        with pytest.raises(NotADirectoryError, match=f"{name} must be a run's folder, .*it is {what}"):
            find_runs([tmp_path / name])


NAME = "digits-convnet-natural-seed0"


def record(runs: Path, name: str, **content: object) -> Path:
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": "done", **content}))
    return folder


def test_runs_of_an_older_version_are_found_by_their_words(tmp_path: Path) -> None:
    first = record(tmp_path, f"{NAME}-00000001")
    second = record(tmp_path, f"{NAME}-00000002", identity={"version": VERSION - 1})
    record(tmp_path, f"{NAME}-00000003", identity={"version": VERSION})
    record(tmp_path, "digits-convnet-natural-seed1-00000004")
    record(tmp_path, f"{NAME}-0badcafe")
    (tmp_path / f"{NAME}-00000005").mkdir()
    found = find_older(tmp_path, [f"{NAME}-0badcafe", "digits-convnet-natural-seed7-0badcafe"])
    assert found == {first: 1, second: VERSION - 1}


def test_records_are_read_of_such_runs_alone(tmp_path: Path) -> None:
    (record(tmp_path, "digits-convnet-constant-seed0-00000001") / "status.json").write_text("{")
    assert find_older(tmp_path, [f"{NAME}-0badcafe"]) == {}
    (record(tmp_path, f"{NAME}-00000001") / "status.json").write_text("{")
    with pytest.raises(ValueError, match=r"status.json is damaged"):
        find_older(tmp_path, [f"{NAME}-0badcafe"])


def test_where_there_are_no_runs_none_is_older(tmp_path: Path) -> None:
    assert find_older(tmp_path / "runs", [f"{NAME}-0badcafe"]) == {}


def measured(place: Path, *, trials: int = 1, accuracy: float = 0.5, attacks: int = 0) -> Path:
    """The folder, in this place, of a finished run with so many trials and attacks."""
    identity = Identity("digits", "convnet", "natural", "none", 0, 0, digest="0123456789", kind="4567")
    files = RunFolder(place / identity.folder)
    tests = {"test_perturbation": "noise", "test_level": 0.1, "evaluation_seed": 0, "n": 2, "accuracy": accuracy}
    rows = pd.DataFrame({"trial": range(trials), **tests, **dict.fromkeys(CALIBRATION, 0.1)})
    labels = [np.array([0, 1], np.uint8)] * trials
    predictions = rows[TEST_KEY].assign(label=labels, predicted=labels)
    files.write_tests(Measurement(rows, predictions), identity, identity.folder, ["zero", "one"])
    if attacks:
        about = {"attack": "fgsm", "settings": "{}", "label": 0, "target": -1, "threshold": np.nan, "success": True}
        files.add_attacks(pd.DataFrame({"image": range(attacks), **about}))
    write_status(files.path, State.DONE, durations_s={}, identity=identity.as_dict())
    return files.path


def test_of_equal_runs_of_two_machines_one_is_taken_and_others_are_named(tmp_path: Path) -> None:
    one, two = measured(tmp_path / "one"), measured(tmp_path / "two")
    assert find_runs([one, two]) == [one]
    more = measured(tmp_path / "more", trials=2)
    assert find_runs([one, more, two]) == [more]
    attacked = measured(tmp_path / "attacked", attacks=1)
    assert find_runs([one, attacked]) == find_runs([attacked, one]) == [attacked]
    other = measured(tmp_path / "other", accuracy=0.75)
    for pair in ([one, other], [more, attacked]):
        with pytest.raises(ValueError, match=rf"{pair[0]} and {pair[1]} are the same run, with other results"):
            find_runs(pair)


def test_a_run_whose_record_or_rows_are_gone_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = measured(tmp_path / "runs")
    for name in ("status.json", "rows.csv"):
        lacking = shutil.copytree(whole, tmp_path / name / whole.name)
        (lacking / name).unlink()
        assert find_runs([whole.parent, *([lacking.parent] if name == "rows.csv" else [])]) == [whole]
        with pytest.raises(FileNotFoundError):
            find_runs([lacking.parent])
        assert f"{lacking / name} was written, and is gone" in caplog.text


def test_files_of_rows_read_together_are_as_read_one_by_one_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    text = (measured(tmp_path / "one", trials=2) / "rows.csv").read_text()
    whole, line = tmp_path / "whole.csv", text.splitlines(keepends=True)[1]
    whole.write_text(text)
    others = {
        "name": text.replace("digits", '"a, b"'),
        "name-in-two-lines": text.replace("digits", '"a\nb"'),
        "more": "\n".join(f"{one},{place or 'place'}" for place, one in enumerate(text.splitlines())) + "\n",
        "no-rows": text.splitlines(keepends=True)[0],
        "cut": text[:-1],
        "empty": "",
        "no-number": text + line.replace("0.5", "half"),
        "too-much": text + line.replace("0.5", "1.5"),
        "open-quote": text + line.replace("digits", '"digits'),
    }
    for name, other in others.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(other)
        try:
            single = pd.concat([read_rows(whole), read_rows(path), read_rows(whole)])
        except ValueError as error:
            with pytest.raises(type(error), match=re.escape(str(error))):
                read_many_rows([whole, path, whole])
        else:
            found = read_many_rows([whole, path, whole])
            assert list(found.index) == sorted(found.index)
            pd.testing.assert_frame_equal(found.reset_index(drop=True), single.reset_index(drop=True))
