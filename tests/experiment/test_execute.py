import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir

import robust
from robust.errors import Notice
from robust.experiment import execute as run_module
from robust.experiment.execute import _complete, execute
from robust.experiment.experiment import Experiment
from robust.experiment.train import train
from robust.files import claiming
from robust.files.process import this_process
from robust.learn import EpochLogger
from robust.measure import Condition, evaluate
from robust.perturb import GaussianNoise
from robust.runs import (
    ClaimedError,
    GoneError,
    RunFolder,
    State,
    Status,
    claimed,
    code_version,
    find_runs,
    read_status,
    sums,
    write_status,
)
from robust.runs.tables import COLUMNS
from robust.sweep.sweeper import finish

CONTENTS = [
    "config.yaml",
    "confusion.csv",
    "log.txt",
    "metrics.csv",
    "model.ckpt",
    "predictions.parquet",
    "rows.csv",
    "samples.npz",
    "status.json",
    "summary.json",
    "sums.json",
]


def rows(run: Experiment) -> pd.DataFrame:
    return pd.read_csv(run.folder / "rows.csv", keep_default_na=False)


def test_a_run_leaves_its_folder_whole(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=hot", "seed=4")
    assert execute(run).state is State.DONE
    assert sorted(path.name for path in run.folder.glob("[!.]*")) == CONTENTS
    table = rows(run)
    assert list(table.columns) == COLUMNS
    first = table.iloc[0]
    assert (first["data"], first["technique"], first["train_perturbation"]) == ("digits", "constant", "hot")
    assert (first["train_level"], first["seed"], first["test_perturbation"]) == (5, 4, "natural")
    assert len(table) == 1 + 3 * 2
    status = json.loads((run.folder / "status.json").read_text())
    assert {"state", "reason", "versions", "git_commit", "durations_s", "job", "restarts"} <= set(status)
    summary = json.loads((run.folder / "summary.json").read_text())
    assert summary["natural"] == first["accuracy"]
    assert 0 < summary["worst"] <= summary["suites"]["pixel"]["mean"] <= 1
    assert len(summary["conditions"]) == 4


def test_the_natural_models_row_says_none(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", "evaluation.trials=1")
    execute(run)
    assert set(rows(run)["train_perturbation"]) == {"none"}
    assert set(rows(run)["train_level"]) == {0}
    assert len(rows(run)) == 10


def written(run: Experiment) -> dict[str, int]:
    """When each file of a run was written."""
    return {path.name: path.stat().st_mtime_ns for path in run.folder.iterdir()}


def test_what_is_done_is_not_done_again(make_run: Callable[..., Experiment]) -> None:
    run = make_run()
    execute(run)
    before = written(run)
    assert execute(make_run()).state is State.DONE
    assert written(run) == before


def test_another_evaluation_measures_only_what_is_missing(make_run: Callable[..., Experiment]) -> None:
    execute(make_run("evaluation.trials=1"))
    before, trained = rows(make_run()), written(make_run())["model.ckpt"]
    more = make_run("evaluation=camera", "evaluation.trials=2")
    assert len(more.missing_tests()) == 3 * 1 + 3 * 2 + 3
    execute(more)
    assert written(more)["model.ckpt"] == trained
    after = rows(more)
    pd.testing.assert_frame_equal(after.head(len(before)), before)
    assert len(after) == 1 + 3 * 2 + 3 * 2 + 3
    assert not after.duplicated(["test_perturbation", "test_level", "trial"]).any()
    confusion = pd.read_csv(more.folder / "confusion.csv")
    assert confusion.groupby("condition")["count"].sum()["noise 0.05"] == 2 * 497


def test_the_same_rows_come_out_in_one_go_or_two(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    execute(make_run("evaluation.trials=1"))
    two = make_run("evaluation.trials=3")
    execute(two)
    one = make_run("evaluation.trials=3", f"runs_dir={tmp_path / 'once'}")
    execute(one)
    key = ["test_perturbation", "test_level", "trial"]
    pd.testing.assert_frame_equal(
        rows(one).sort_values(key, ignore_index=True), rows(two).sort_values(key, ignore_index=True)
    )


def test_every_verdict_is_kept(make_run: Callable[..., Experiment]) -> None:
    run = make_run()
    assert execute(run).state is State.DONE
    kept = pd.read_parquet(run.folder / "predictions.parquet")
    assert (kept["label"].map(len) == 497).all()
    hits = [(label == predicted).mean() for label, predicted in zip(kept["label"], kept["predicted"], strict=True)]
    key = ["test_perturbation", "test_level", "trial"]
    accuracy = rows(run).set_index(key)["accuracy"]
    assert accuracy.to_dict() == pytest.approx(
        dict(zip(kept[key].itertuples(index=False, name=None), hits, strict=True))
    )


def test_what_was_measured_before_a_run_was_stopped_is_not_measured_again(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("trainer.checkpoint_every_s=0")
    predict, tested = evaluate.predict, []

    def stop(*arguments: object, **options: object) -> tuple[torch.Tensor, torch.Tensor]:
        tested.append(arguments[2:4])
        if len(tested) == 4:
            raise KeyboardInterrupt
        return predict(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "predict", stop)
        with pytest.raises(KeyboardInterrupt):
            execute(run)
    assert len(rows(run)) == 3
    assert run.status().state is State.INTERRUPTED
    assert len(run.missing_tests()) == 7 - 3
    execute(run)
    assert len(rows(run)) == 7


def test_a_write_that_fails_half_way_counts_nothing_twice(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(make_run("evaluation.trials=1"))
    more = make_run("evaluation.trials=2")
    write = sums.atomic_write

    def full(path: Path, content: object, **options: object) -> None:
        if path.name == "rows.csv":
            raise OSError(28, "No space left on device")
        write(path, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(sums, "atomic_write", full)
        assert execute(more).state is State.FAILED
    assert execute(more).state is State.DONE
    counts = pd.read_csv(more.folder / "confusion.csv").groupby("condition")["count"].sum()
    assert counts.to_dict() == {"natural": 497, "noise 0.0255": 994, "noise 0.03775": 994, "noise 0.05": 994}


def test_another_evaluation_seed_makes_other_trials_but_not_of_what_is_not_random(
    make_run: Callable[..., Experiment],
) -> None:
    execute(make_run())
    run = make_run("evaluation.seed=1")
    execute(run)
    assert rows(run).groupby("test_perturbation").size().to_dict() == {"natural": 1, "noise": 12}
    assert rows(run).query("test_level == 0.05")["accuracy"].nunique() > 2


def test_what_was_done_before_stays_on_record(make_run: Callable[..., Experiment]) -> None:
    execute(make_run("evaluation.trials=1"))
    run = make_run()
    execute(run)
    status = json.loads((run.folder / "status.json").read_text())
    assert len(status["sessions"]) == 2
    assert status["durations_s"]["train"] == status["sessions"][0]["durations_s"]["train"] > 0
    measured = [one["durations_s"]["measure"] for one in status["sessions"]]
    assert status["durations_s"]["measure"] == pytest.approx(sum(measured), abs=0.002)


def test_the_curve_is_there_when_the_last_checkpoint_was_the_last_epochs(make_run: Callable[..., Experiment]) -> None:
    run = make_run("trainer.checkpoint_every_s=0")
    run.folder.mkdir(parents=True)
    train(run)
    for name in ("model.ckpt", "metrics.csv"):
        (run.folder / name).unlink()
    assert execute(run).state is State.DONE
    assert pd.read_csv(run.folder / "metrics.csv")["epoch"].to_list() == [0, 1]


def test_no_evaluation_leaves_a_model_and_no_rows(make_run: Callable[..., Experiment]) -> None:
    run = make_run("evaluation=none")
    assert execute(run).state is State.DONE
    assert not (run.folder / "rows.csv").exists()
    assert execute(make_run()).state is State.DONE
    assert (run.folder / "rows.csv").exists()


def test_a_failure_is_recorded_and_tried_again(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save_model", full)
        status = execute(run)
    assert (status.state, status.reason) == (State.FAILED, "[Errno 28] No space left on device")
    assert "Traceback" in (run.folder / "log.txt").read_text()
    assert execute(run).state is State.DONE


def test_a_job_that_slurm_ends_to_start_it_again_has_not_failed(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()

    def requeue(*_: object) -> None:
        raise subprocess.CalledProcessError(-15, ["scontrol", "requeue", "7_1"])

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save_model", requeue)
        with pytest.raises(subprocess.CalledProcessError):
            execute(run)
    assert run.status().state is not State.FAILED
    assert not (run.folder / "status.json").exists()
    assert execute(run).state is State.DONE


def test_a_run_that_diverges_starts_anew_the_next_time(make_run: Callable[..., Experiment]) -> None:
    run = make_run("optimizer.lr=1e30", "trainer.checkpoint_every_s=0")
    status = execute(run)
    assert status.state is State.FAILED
    assert "diverged" in status.reason
    assert not (run.folder / "last.ckpt").exists()


def test_a_damaged_checkpoint_to_resume_from_is_named(make_run: Callable[..., Experiment]) -> None:
    run = make_run()
    run.folder.mkdir(parents=True)
    (run.folder / "last.ckpt").write_bytes(b"half")
    status = execute(run)
    assert status.state is State.FAILED
    assert f"The checkpoint {run.folder / 'last.ckpt'} is damaged" in status.reason
    assert "Delete it" in status.reason


def test_a_run_that_another_process_finished_meanwhile_is_not_done_again(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    execute(run)
    monkeypatch.setattr(
        Experiment, "status", lambda _: Status(State.ABSENT)
    )  # as it was looked at before the other finished
    execute(run)
    assert len(read_status(run.folder).record["sessions"]) == 1


def test_a_claimed_run_is_left_alone(make_run: Callable[..., Experiment]) -> None:
    run = make_run()
    with claimed(run.folder), pytest.raises(ClaimedError):
        execute(run, patient=False)


def test_a_second_command_on_a_run_waits_for_the_first_and_shares_what_it_did(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, second = make_run(), make_run()
    told, texts = threading.Event(), []
    monkeypatch.setattr(claiming, "say", lambda text: (texts.append(text), told.set()))
    mine = claimed(run.folder)
    mine.__enter__()

    def finish() -> None:
        told.wait()
        try:
            _complete(run, [], [])
        finally:
            mine.__exit__(None, None, None)

    first = threading.Thread(target=finish)
    first.start()
    assert execute(second).state is State.DONE
    first.join()
    assert len(read_status(run.folder).record["sessions"]) == 1
    assert texts[0].startswith(f"waiting for {run.folder.name}: it is under way in process ")


def test_the_log_says_what_a_process_that_died_left_and_that_its_code_was_another(
    make_run: Callable[..., Experiment],
) -> None:
    run = make_run()
    run.folder.mkdir(parents=True)
    left = {**this_process(), "started": 0, "version": "0.0.1"}
    (run.folder / "claim.json").write_text(json.dumps(left))
    execute(run)
    log = run.files.log.read_text()
    assert f"going on with what process {left['pid']} on {left['host']} left" in log
    assert f"begun by another version of robust (0.0.1; this is {code_version()})" in log


def test_a_run_that_failed_while_it_was_waited_for_is_not_tried_again(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, second = make_run(), make_run()
    mine = claimed(run.folder)
    mine.__enter__()

    def fail(_: object) -> None:
        write_status(run.folder, State.FAILED, reason="out of memory", durations_s={})
        mine.__exit__(None, None, None)

    monkeypatch.setattr(run_module, "wait_for_one", fail)
    assert execute(second, since=time.time() - 60).reason == "out of memory"


def test_a_run_that_was_taken_over_writes_no_more_and_the_other_goes_on(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("trainer.max_epochs=50")
    epochs = []

    def take_over(*_: object) -> None:
        epochs.append(1)
        if len(epochs) == 3:  # as if this process had stood still
            (run.folder / "claim.json").write_text('{"host": "elsewhere", "pid": 1}')

    monkeypatch.setattr(EpochLogger, "on_train_epoch_end", take_over)
    with pytest.raises(ClaimedError, match=f"{run.folder} was taken over by process 1 on elsewhere"):
        execute(run, patient=False)
    assert len(epochs) == 3, "it is noticed at the end of an epoch"
    assert f"{run.folder} was taken over by process 1 on elsewhere" in capsys.readouterr().err
    assert "taken over" not in run.files.log.read_text(), "the log is the other's by now"
    assert sorted(path.name for path in run.folder.iterdir()) == ["claim.json", "config.yaml", "log.txt", "sums.json"]


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_a_folder_that_goes_under_way_is_noticed_and_named(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    run = make_run()
    measure = run_module.measure_missing

    def gone(_: Experiment) -> None:
        run.folder.parent.rename(tmp_path / "renamed")
        if how == "deleted":
            shutil.rmtree(tmp_path / "renamed")
        measure(run)

    monkeypatch.setattr(run_module, "measure_missing", gone)
    with pytest.raises(GoneError, match=f"{run.folder} was moved or deleted"):
        execute(run)
    assert not run.folder.parent.exists(), "it is not begun again, half here and half there"
    monkeypatch.undo()
    if how == "renamed":
        (tmp_path / "renamed").rename(run.folder.parent)
    assert execute(run).state is State.DONE


def test_a_folder_that_is_moved_between_two_commands_is_gone_on_with(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    child = make_run("technique=transfer")
    execute(child)
    child.files.model.unlink()
    (child.folder / "status.json").unlink()
    before = written(child.parents[""])
    child.folder.parent.rename(tmp_path / "moved")
    moved = make_run("technique=transfer", f"runs_dir={tmp_path / 'moved'}")
    assert moved.status().state is State.ABSENT
    assert execute(moved).state is State.DONE
    assert written(moved.parents[""]) == before
    assert not child.folder.parent.exists()


def test_the_loaded_model_gives_the_rows_again(make_run: Callable[..., Experiment]) -> None:
    run = make_run("evaluation=camera")
    execute(run)
    again = robust.evaluate(
        robust.load(run.folder), data="digits", evaluation="camera", overrides=["evaluation.trials=2"]
    )
    assert again["accuracy"].to_list() == rows(run)["accuracy"].to_list()
    assert list(again.columns) == COLUMNS


def test_anybodys_model_and_images_can_be_evaluated() -> None:
    class Bright(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            light = images.mean((1, 2, 3))
            return torch.stack([0.5 - light, light - 0.5], 1)

    images = torch.cat([torch.full((4, 3, 8, 8), 30), torch.full((4, 3, 8, 8), 220)]).to(torch.uint8)
    mine = robust.data.ImageSet(images, torch.arange(8) // 4, ("dark", "light"))
    found = robust.evaluate(
        Bright(), data=mine, evaluation=[Condition(), Condition(GaussianNoise(std=0.1))], name="mine"
    )
    assert found["accuracy"].to_list() == [1.0] * 26
    assert set(found["run"]) == {"mine"}
    assert set(found["n"]) == {8}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            lambda images: torch.zeros(len(images), 3),
            r"logits of shape \(8, 2\), one for each image and class; got \(8, 3\)",
        ),
        (lambda images: torch.full((len(images), 2), float("nan")), "finite logits; got NaN"),
    ],
)
def test_a_model_that_gives_no_verdicts_is_refused(outputs: Callable[..., torch.Tensor], message: str) -> None:
    class Odd(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return outputs(images)

    mine = robust.data.ImageSet(torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8) // 4, ("a", "b"))
    with pytest.raises(ValueError, match=message):
        robust.evaluate(Odd(), data=mine, evaluation=[Condition()])


def test_evaluation_works_inside_anybodys_hydra_program(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    mine = robust.data.ImageSet(torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8) // 4, ("a", "b"))
    with initialize_config_dir(str(tmp_path), version_base=None):
        found = robust.evaluate(
            torch.nn.Sequential(torch.torch.nn.Flatten(), torch.nn.Linear(16, 2)), data=mine, evaluation=[Condition()]
        )
        assert compose("mine").a == 1
    assert len(found) == 1


def test_runs_are_found_in_folders_or_named_themselves(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    run = make_run()
    execute(run)
    assert find_runs([run.folder.parent]) == find_runs([run.folder]) == [run.folder]
    with pytest.raises(NotADirectoryError, match="it is not there"):
        find_runs([tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="There are no finished runs in"):
        find_runs([tmp_path / "empty"])
    copy = shutil.copytree(run.folder, tmp_path / "copies" / run.folder.name)
    assert find_runs([run.folder.parent, copy.parent]) == [run.folder], "equal runs are one"
    renamed = copy.rename(copy.with_name("mine"))
    assert find_runs([renamed, run.folder]) == [renamed], "under another name too"
    execute(make_run("evaluation.trials=3"))
    assert find_runs([renamed, run.folder]) == [run.folder], "that with more tests stands for both"
    rows(run).assign(accuracy=0.5).to_csv(renamed / "rows.csv", index=False)
    (renamed / "sums.json").unlink()
    with pytest.raises(ValueError, match=r"are the same run, with other results\. Leave one of them out"):
        find_runs([run.folder, renamed.rename(renamed.with_name(run.folder.name))])


@pytest.mark.parametrize("kind", ["12345678", "1e234567"])
def test_a_kind_that_looks_like_a_number_is_read_as_a_word(make_run: Callable[..., Experiment], kind: str) -> None:
    run = make_run()
    execute(run)
    path = run.folder / "rows.csv"
    path.write_text(path.read_text().replace(run.identity.kind, kind))
    (run.folder / "sums.json").unlink()
    assert set(RunFolder(run.folder).read_rows()["kind"]) == {kind}


def test_tests_whose_verdicts_were_not_kept_are_made_again(make_run: Callable[..., Experiment]) -> None:
    run = make_run()
    execute(run)
    (run.folder / "predictions.parquet").unlink()
    assert len(run.missing_tests()) == 7
    execute(run)
    assert len(rows(run)) == 7
    assert len(pd.read_parquet(run.folder / "predictions.parquet")) == 7


def test_a_run_that_failed_half_way_is_not_reported(
    make_run: Callable[..., Experiment], caplog: pytest.LogCaptureFixture
) -> None:
    whole, half = make_run(), make_run("perturb=hot")
    execute(whole)
    execute(half)
    write_status(half.folder, State.FAILED, reason="full", durations_s={})
    assert find_runs([whole.folder.parent]) == [whole.folder]
    assert "1 runs in" in caplog.text


def test_a_parent_that_failed_in_this_sweep_is_not_tried_by_each_child(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(run: Experiment, logger: object, callbacks: object) -> None:
        tried.append(run)
        raise OSError("no space")

    monkeypatch.setattr(run_module, "train", fail)
    begun = time.time() - 60
    first, second = (make_run("technique=transfer", f"perturb.level={level}") for level in (0.01, 0.05))
    for child in (first, second):
        assert execute(child, since=begun).state is State.FAILED
    assert [run.perturbation is None for run in tried] == [True, False, False]


def test_evaluating_nothing_gives_no_rows() -> None:
    assert robust.evaluate(torch.nn.Flatten(), data="digits", evaluation="none").empty


def test_what_a_user_should_know_of_the_batches_is_said_before_and_logged(make_run: Callable[..., Experiment]) -> None:
    settings = ["technique=natural", "evaluation=none", "trainer.max_epochs=1"]
    with pytest.warns(Notice, match=r"`data.batch_size` is 5000; a batch takes all 1300 training images\."):
        run = make_run(*settings, "data.batch_size=5000")
    assert execute(run).state is State.DONE
    assert "INFO robust.experiment.train: `data.batch_size` is 5000; a batch takes all" in run.files.log.read_text()
    with pytest.warns(Notice, match=r"100 of the 1300 training images are left out of each epoch, always the same"):
        make_run(*settings, "data.batch_size=600", "data.drop_last=true")


def test_what_was_warned_of_in_runs_is_said_once_when_they_are_done(
    make_run: Callable[..., Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["perturb=dead", "perturb.level=784", "evaluation=none", "trainer.max_epochs=1"]
    runs = [make_run(*settings, f"seed={seed}") for seed in range(2)]
    for run in runs:
        assert execute(run).state is State.DONE
    finish(runs)
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "It has learnt nothing" in line]
    assert said.startswith("warning: constant dead 784, seed 0: It has learnt nothing: ")
    assert said.endswith(f"[{runs[0].folder.name}] And so 1 more.")


def test_a_run_knows_what_its_command_sets_beyond_its_name(make_run: Callable[..., Experiment]) -> None:
    asked = ["technique=natural", "optimizer=sgd", "trainer.max_epochs=3", "trainer.max_epochs=1", "trainer.threads=1"]
    found = make_run(*asked, "evaluation.trials=1", "seed=3").settings
    assert [one for one in found if one.startswith(("optimizer=", "trainer", "seed", "evaluation", "technique"))] == [
        "trainer.max_epochs=1",
        "optimizer=sgd",
    ]


def test_results_end_with_robust_accuracy_where_a_run_was_attacked(
    make_run: Callable[..., Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("technique=natural", "evaluation=natural", "attack=fgsm", "attack.images=5")
    assert execute(run).state is State.DONE
    finish([run])
    shown = capsys.readouterr().out
    assert shown.index("test accuracy, %") < shown.index("robust accuracy, %") < shown.index("page: ")
