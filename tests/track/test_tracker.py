"""What every tracker is told, and TensorBoard."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.limits import tolerated as tolerated_by_name
from robust.measure import SUITES
from robust.runs import State
from robust.track import TrackedRun, Tracker, opened, track_run, tracking_key
from robust.track.dashboard import LEVELS, MEANS, PERTURBATIONS, RATIOS, SCORES, TABLES


def test_nothing_is_tracked_unless_asked_for(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=noise")
    assert execute(run).state is State.DONE
    assert [path.name for path in run.folder.iterdir() if path.is_dir()] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_curves_scores_and_figures(make_run: Callable[..., Experiment]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = make_run("perturb=noise", "logger=tensorboard")
    assert execute(run).state is State.DONE
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    curve = pd.read_csv(run.folder / "metrics.csv")
    shown = [one.value for one in events.Scalars("train_loss")]
    assert shown == pytest.approx(curve["train_loss"].tolist())
    assert {"accuracy/natural", "accuracy/worst", "perturbed_share"} <= set(events.Tags()["scalars"])
    assert set(events.Tags()["images"]) == {"accuracy", "samples", "confusion"}
    assert "rows/text_summary" in events.Tags()["tensors"]
    assert make_run("perturb=noise", "logger=tensorboard").status().state is State.DONE, "told once"
    assert make_run("perturb=noise").status().state is State.DONE, "who asks for none misses none"


class Heard(Tracker):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(TrackedRun(Path(), "", ""))
        self.scores: dict[str, float | str] = {}
        self.tables: dict[str, pd.DataFrame] = {}
        self.ends: list[str] = []

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        self.scores.update(scores)

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.tables.update(tables)

    def close(self, *, failed: str = "") -> None:
        self.ends.append(failed)


def test_scores_are_named_as_a_dashboard_shows_them() -> None:
    conditions = [
        {"test_perturbation": "natural", "test_level": 0.0, "mean": 0.9},
        {"test_perturbation": "noise", "test_level": 0.5, "mean": 0.4},
    ]
    scores = {"natural": 0.9, "worst": 0.4, "worst_condition": ["noise", 0.5]}
    scores["suites"] = {suite: {"mean": 0.5, "worst": 0.4} for suite in SUITES}
    heard = Heard()
    rows, confusion = pd.DataFrame({"accuracy": [0.9]}), pd.DataFrame({"count": [3]})
    tolerated = pd.DataFrame({"perturbation": PERTURBATIONS, "level": 0.1, "ratio": [*[2.0] * 11, float("nan")]})
    found = pd.DataFrame({"of": ["found"], "sentence": ["Worst condition: noise 0.5."]})
    tables = {"rows": rows, "confusion": confusion, "found": found, "tolerated": tolerated}
    told = {"summary": {**scores, "conditions": conditions}, "pictures": {}, **tables}
    track_run(heard, **told, price={"seconds": 2.5, "work": {"train": 3}})
    assert {*LEVELS, *RATIOS} - set(heard.scores) == {"tolerated_ratio/pixel_dropout"}
    assert {name: value for name, value in heard.scores.items() if "price" in name} == {"price/seconds": 2.5}
    assert heard.scores["accuracy/worst_condition"] == "noise 0.5"
    assert heard.scores["conditions/noise 0.5"] == 0.4
    assert {*SCORES, *MEANS} <= set(heard.scores)
    assert {f"tables/{name}" for name in heard.tables} >= {*TABLES, "tables/tolerance"}
    assert {*PERTURBATIONS} == {*tolerated_by_name(compose(["evaluation=tolerance"]))}


def test_a_tracker_hears_what_ended_it() -> None:
    heard = Heard()
    with opened(heard):
        pass
    with pytest.raises(ValueError, match="no such thing"), opened(heard):
        raise ValueError("no such thing")
    with pytest.raises(KeyboardInterrupt), opened(heard):
        raise KeyboardInterrupt
    assert heard.ends == ["", "no such thing", "interrupted"]


def test_a_record_keeps_who_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    assert tracking_key("robust.track.Tracker") == ""
    assert tracking_key("robust.track.TensorBoardTracker") == "tensorboard"
    assert tracking_key("robust.track.WandbTracker") == "wandb"
    assert tracking_key("mine.Tracker") == "mine.Tracker"
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "agents")
    assert tracking_key("robust.track.WandbTracker") == "wandb:agents"
    assert tracking_key("robust.track.TensorBoardTracker") == "tensorboard"
