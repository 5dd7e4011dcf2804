"""The trackers of Lightning: CSV files and TensorBoard."""

from collections.abc import Callable

import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.runs import State


def test_nothing_is_tracked_unless_asked_for(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=noise")
    assert execute(run).state is State.DONE
    assert [path.name for path in run.folder.iterdir() if path.is_dir()] == []


def test_csv_files_hold_the_curves(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=noise", "logger=csv")
    assert execute(run).state is State.DONE
    table = pd.read_csv(run.folder / "csv" / "version_0" / "metrics.csv")
    curve = pd.read_csv(run.folder / "metrics.csv")
    for name in ("epoch", "train_loss", "perturbed_share"):
        assert table[name].tolist() == pytest.approx(curve[name].tolist())


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
