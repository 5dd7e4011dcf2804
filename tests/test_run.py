import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

import robust
from robust import run as run_module
from robust.measure import Condition
from robust.perturb import GaussianNoise
from robust.results import COLUMNS
from robust.run import Run, execute
from robust.runs import ClaimedError, State, claimed, find_runs

CONTENTS = [
    "config.yaml",
    "confusion.csv",
    "log.txt",
    "metrics.csv",
    "model.ckpt",
    "rows.csv",
    "samples.npz",
    "status.json",
    "summary.json",
]


def rows(run: Run) -> pd.DataFrame:
    return pd.read_csv(run.folder / "rows.csv", keep_default_na=False)


def test_a_run_leaves_its_folder_whole(make_run: Callable[..., Run]) -> None:
    run = make_run("perturb=hot", "seed=4")
    assert execute(run).state is State.DONE
    assert sorted(path.name for path in run.folder.iterdir()) == CONTENTS
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
    assert 0 < summary["worst"] <= summary["mean"] <= 1
    assert len(summary["conditions"]) == 4


def test_the_natural_models_row_says_none(make_run: Callable[..., Run]) -> None:
    run = make_run("technique=natural", "evaluation.trials=1")
    execute(run)
    assert set(rows(run)["train_perturbation"]) == {"none"}
    assert set(rows(run)["train_level"]) == {0}
    assert len(rows(run)) == 10


def test_what_is_done_is_not_done_again(make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    execute(run)
    monkeypatch.delattr(run_module, "train")
    monkeypatch.delattr(run_module, "measure_missing")
    assert execute(run).state is State.DONE


def test_another_evaluation_measures_only_what_is_missing(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(make_run("evaluation.trials=1"))
    before = rows(make_run())
    monkeypatch.delattr(run_module, "train")
    more = make_run("evaluation=all", "evaluation.trials=2")
    assert more.missing_tests() == 3 * 1 + 3 * 2 + 3
    execute(more)
    after = rows(more)
    pd.testing.assert_frame_equal(after.head(len(before)), before)
    assert len(after) == 1 + 3 * 2 + 3 * 2 + 3
    assert not after.duplicated(["test_perturbation", "test_level", "trial"]).any()
    confusion = pd.read_csv(more.folder / "confusion.csv")
    assert confusion.groupby("condition")["count"].sum()["noise 0.05"] == 2 * 497


def test_the_same_rows_come_out_in_one_go_or_two(make_run: Callable[..., Run], tmp_path: Path) -> None:
    execute(make_run("evaluation.trials=1"))
    two = make_run("evaluation.trials=3")
    execute(two)
    one = make_run("evaluation.trials=3", f"runs_dir={tmp_path / 'once'}")
    execute(one)
    key = ["test_perturbation", "test_level", "trial"]
    pd.testing.assert_frame_equal(
        rows(one).sort_values(key, ignore_index=True), rows(two).sort_values(key, ignore_index=True)
    )


def test_predictions_are_kept_on_request(make_run: Callable[..., Run]) -> None:
    execute(make_run())
    run = make_run("evaluation.keep_predictions=true")
    assert execute(run).state is State.DONE
    kept = pd.read_parquet(run.folder / "predictions.parquet")
    assert len(kept) == len(rows(run)) * 497
    hits = (kept["label"] == kept["predicted"]).groupby([kept["test_perturbation"], kept["test_level"], kept["trial"]])
    accuracy = rows(run).set_index(["test_perturbation", "test_level", "trial"])["accuracy"]
    assert accuracy.sort_index().to_list() == pytest.approx(hits.mean().sort_index().to_list())


def test_no_evaluation_leaves_a_model_and_no_rows(make_run: Callable[..., Run]) -> None:
    run = make_run("evaluation=none")
    assert execute(run).state is State.DONE
    assert not (run.folder / "rows.csv").exists()
    assert execute(make_run()).state is State.DONE
    assert (run.folder / "rows.csv").exists()


def test_a_failure_is_recorded_and_tried_again(make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_model", full)
        status = execute(run)
    assert (status.state, status.reason) == (State.FAILED, "[Errno 28] No space left on device")
    assert "Traceback" in (run.folder / "log.txt").read_text()
    assert execute(run).state is State.DONE


def test_a_run_that_diverges_starts_anew_the_next_time(make_run: Callable[..., Run]) -> None:
    run = make_run("optimizer.lr=1e30", "trainer.checkpoint_every_s=0")
    status = execute(run)
    assert status.state is State.FAILED
    assert "diverged" in status.reason
    assert not (run.folder / "last.ckpt").exists()


def test_a_damaged_checkpoint_to_resume_from_is_named(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run.folder.mkdir(parents=True)
    (run.folder / "last.ckpt").write_bytes(b"half")
    status = execute(run)
    assert status.state is State.FAILED
    assert f"The checkpoint {run.folder / 'last.ckpt'} is damaged" in status.reason
    assert "Delete it" in status.reason


def test_a_claimed_run_is_left_alone(make_run: Callable[..., Run]) -> None:
    run = make_run()
    with claimed(run.folder), pytest.raises(ClaimedError):
        execute(run)


def test_the_loaded_model_gives_the_rows_again(make_run: Callable[..., Run]) -> None:
    run = make_run("evaluation=all")
    execute(run)
    again = robust.evaluate(robust.load(run.folder), data="digits", evaluation="all", overrides=["evaluation.trials=2"])
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


def test_runs_are_found_in_folders_or_named_themselves(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    execute(run)
    assert find_runs([run.folder.parent]) == find_runs([run.folder]) == [run.folder]
    with pytest.raises(FileNotFoundError, match="There are no finished runs in"):
        find_runs([tmp_path / "nothing"])
