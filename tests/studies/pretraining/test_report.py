"""What the page says of self-supervised pretraining, and of what starts from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.page import write_report
from robust.runs import RunFolder, State, collect, find_runs
from robust.studies import pretraining
from robust.studies.pretraining.report import Pretraining, pretraining_claims
from robust.studies.pretraining.tables import (
    SCRATCH,
    downstream_table,
    pretraining_runs,
    pretraining_table,
    started_runs,
)

SHORT = [f"recipe.{name}.max_epochs=1" for name in ("scratch", "pretrain", "finetune", "probe")]
QUICK = ["trainer.threads=1", "trainer.accelerator=cpu", "evaluation=environment", "evaluation.trials=1"]
QUICK += ["evaluation.conditions.environment=[1.0]", "data.source.size=14"]


def lines() -> pd.DataFrame:
    """Three seeds with a tenth of the labels: scratch, and a finetuned one that wins 4, 5 and 6 points."""
    found = []
    for seed, start in enumerate((0.50, 0.60, 0.40)):
        about = {"data": "digits", "model": "convnet", "labels": 0.1, "seed": seed, "folder": Path(), "kind": "one"}
        about["reference"] = f"natural-{seed}"
        anew = {"run": f"natural-{seed}", "trained": SCRATCH, "anew": True, "natural": start, "perturbed": 0.2}
        tuned = {"run": f"tuned-{seed}", "trained": "finetune rotation", "anew": False, "perturbed": 0.1}
        found += [{**about, **anew}, {**about, **tuned, "natural": start + 0.04 + 0.01 * seed}]
    return pd.DataFrame(found)


def test_what_is_won_is_over_the_network_of_the_same_seed() -> None:
    table = downstream_table(lines()).set_index("trained")
    tuned = table.loc["finetune rotation"]
    assert tuned["natural_won"] == pytest.approx(0.05)
    assert tuned["natural_won_low"] == pytest.approx(0.05 - 4.302653 * 0.01 / 3**0.5, abs=1e-6)
    assert tuned["perturbed_won"] == pytest.approx(-0.1)
    assert table.loc[SCRATCH, "natural_won"] == 0
    assert tuned["seeds"] == 3


def claims(tasks: pd.DataFrame, downstream: pd.DataFrame) -> pd.DataFrame:
    return pretraining_claims([Pretraining("digits", "convnet", (), lines(), tasks, downstream)]).set_index("id")


def test_claims_are_decided_by_intervals() -> None:
    tasks = pd.DataFrame({"data": "digits", "model": "convnet", "task": ["rotation"], "seeds": [3], "accuracy": [0.55]})
    tasks[["accuracy_low", "accuracy_high"]] = [0.5, 0.59]
    found = claims(tasks, downstream_table(lines()))
    assert found.loc["rotation", "met"] == "no"
    tuned = found.loc["few-labels-finetune-rotation"]
    assert (tuned["met"], tuned["measured"]) == ("yes", 5)
    assert tuned["claim"] == "with 10 % of the labels finetune rotation does better than what starts anew"
    worse = lines()
    worse.loc[worse["trained"] != SCRATCH, "natural"] -= np.array([0.0, 0.0, 0.05])
    found = claims(tasks, downstream_table(worse))
    assert found.loc["few-labels-finetune-rotation", "met"] == "no", "above, but not by more than the interval"
    twice = lines().assign(seed=0, kind=["one", "one", "two", "two", "three", "three"])
    assert len(downstream_table(twice)) == 6, "of several settings none speaks for the others"
    assert claims(tasks.assign(seeds=2), downstream_table(lines()[lines()["seed"] < 2])).empty


def test_each_is_held_against_the_run_of_its_own_settings() -> None:
    """A second kind of natural run beside the first, which nothing is held against."""
    others = lines()[lambda table: table["anew"]].assign(kind="two", natural=0.0)
    others["run"] += "-other"
    table = downstream_table(pd.concat([lines(), others], ignore_index=True)).set_index("trained")
    assert table.loc["finetune rotation", "natural_won"] == pytest.approx(0.05)
    assert set(table.index) == {f"{SCRATCH} (one)", f"{SCRATCH} (two)", "finetune rotation"}


def test_the_page_holds_tasks_curves_labels_and_maps(tmp_path: Path) -> None:
    started = (["technique=probe", "technique.start=simclr"], ["technique=finetune"])
    other = ["technique=natural", "model.dropout=0.5"]  # nothing is held against it

    def done(*settings: str) -> Path:
        run = prepare([f"runs_dir={tmp_path}", *QUICK, *SHORT, "data.labels=0.1", *settings])
        assert execute(run).state is State.DONE
        return run.folder

    labelled, *_ = [done(*settings) for settings in (["technique=natural"], other, *started)]
    done("technique=finetune", f"technique.start={labelled}")  # which learnt with labels
    folders = find_runs([tmp_path])
    rows = collect(folders)
    runs = pretraining_runs(folders, started_runs(folders, rows))
    sections = pretraining.findings(folders, rows).sections
    tasks = sections[0].tables["pretext"].numbers.set_index("task")
    (rotation,) = (RunFolder(run.folder).read_rows() for run in runs if run.task == "rotation")
    each = rotation[rotation["test_perturbation"] != "natural"]["accuracy"]
    assert tasks.loc["rotation", "perturbed"] == pytest.approx(each.mean()), "a trial of each condition"
    drawings = {name: one for section in sections for name, one in section.drawings.items()}
    assert set(drawings) == {"tasks", "curves", "labels", "features"}
    assert set(drawings["tasks"].numbers["task"]) == {"simclr", "rotation"}
    assert set(drawings["features"].numbers["network"]) == {SCRATCH, "probe simclr", "finetune rotation"}
    table = next(section.tables["downstream"].numbers for section in sections if "downstream" in section.tables)
    assert table["trained"].iloc[0] == SCRATCH
    assert set(table["trained"]) == {SCRATCH, "probe simclr", "finetune rotation"}
    beside = [folder for section in sections for folder in section.beside]
    assert [folder.name.partition("-")[0] for folder in beside] == ["digits_simclr"]
    page = write_report(folders, tmp_path / "page", sections)
    assert f"{len(folders) + 1} models" in page.with_name("README.md").read_text()
    others = [one for one in folders if "natural" in one.name and "rotation" not in one.name]
    assert pretraining.findings(others, collect(others)).sections == [], "none starts from pretraining"
    (alone,) = pretraining.findings(
        [one for one in folders if "rotation" in one.name and "natural" in one.name], rows
    ).sections
    assert set(alone.tables["pretext"].numbers["task"]) == {"rotation"}


def test_a_task_that_is_not_tested_shows_its_training(tmp_path: Path) -> None:
    quick = [f"runs_dir={tmp_path}", *QUICK, *SHORT]
    start = ["technique=probe", "technique.start=simclr"]
    for settings in (["technique=natural"], start, ["task=simclr", "data.batch_size=50"]):  # the last: of another kind
        run = prepare([*quick, *settings])
        assert execute(run).state is State.DONE
    (parent,) = prepare([*quick, *start]).parents.values()
    folders = find_runs([tmp_path])
    (line,) = pretraining_table(pretraining_runs(folders, started_runs(folders, collect(folders)))).to_dict("records")
    curve = pd.read_csv(parent.folder / "metrics.csv").iloc[-1]
    assert line["accuracy"] == pytest.approx(curve["train_accuracy"])
    assert np.isnan(line["perturbed"])
    asked = pd.read_csv(parent.folder / "knn.csv").iloc[0]
    assert line["won"] == pytest.approx(asked["trained"] - asked["untrained"])
    assert asked["untrained"] == pytest.approx(curve["knn_untrained"], abs=0.01), "all digits are among the curve's"
    assert asked["trained"] == pytest.approx(curve["knn_accuracy"], abs=0.01)
    (parent.folder / "knn.csv").unlink()
    assert execute(parent).state is State.DONE, "asked again where nobody knows"
    pd.testing.assert_series_equal(pd.read_csv(parent.folder / "knn.csv").iloc[0], asked)
