"""Runs that train as one network are the runs that they are alone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.stacked import stack_key, train_stack
from robust.runs import State
from robust.sweep import launch

EXACT = ["model.dropout=0", "trainer.precision=64-true", "trainer.max_epochs=3", "evaluation=none"]
KINDS = (
    ["technique=natural"],
    ["technique=incremental", "perturb=noise"],
    ["technique=transfer", "perturb=blur"],
    ["technique=transfer", "perturb=hot"],
)


class At(pl.Callback):
    """Does something at the start of an epoch."""

    def __init__(self, epoch: int, do: Callable[[Any], None]):
        self.epoch, self.do = epoch, do

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            self.do(module)


class KilledError(Exception):
    pass


def kill(_: Any) -> None:
    raise KilledError


def jobs(quick: list[str], runs_dir: Path) -> list[list[str]]:
    return [[*quick, *EXACT, *kind, f"runs_dir={runs_dir}"] for kind in KINDS]


def assert_same(one: Experiment, other: Experiment) -> None:
    """To the last bit, but for sums of losses, which are float32."""
    weights = [torch.load(run.files.model, weights_only=True)["state_dict"] for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert [name for name, value in weights[0].items() if not torch.equal(value, weights[1][name])] == []
    pd.testing.assert_frame_equal(one.files.read_metrics(), other.files.read_metrics(), rtol=1e-6)
    assert sorted(file.name for file in one.folder.iterdir()) == sorted(file.name for file in other.folder.iterdir())


def test_they_are_the_runs_that_they_are_alone(tmp_path: Path, quick: list[str]) -> None:
    together, alone = (jobs(quick, tmp_path / name) for name in ("together", "alone"))
    assert launch(together, pack="stacked") == [""] * len(KINDS)
    stacked = [prepare(job) for job in together]
    assert all("as one of 2 runs" in run.files.log.read_text() for run in stacked)
    for run, job in zip(stacked, alone, strict=True):
        other = prepare(job)
        assert execute(other).state is State.DONE
        assert_same(run, other)
        record, known = ((one.files.read_record() or {}) for one in (run, other))
        assert record["durations_s"]["train"] > 0
        assert record["price"]["work"]["train"] == known["price"]["work"]["train"]
        assert {**record["identity"], **record["parents"]} == {**known["identity"], **known["parents"]}


def test_what_was_interrupted_goes_on_together_or_alone(tmp_path: Path, quick: list[str]) -> None:
    asked = [
        [*job, "trainer.precision=32-true", "trainer.checkpoint_every_s=0"]
        for name in ("whole", "killed", "alone")
        for job in jobs(quick, tmp_path / name)[:2]
    ]
    *whole, first, second, alone, _ = map(prepare, asked)
    train_stack(whole)
    with pytest.raises(KilledError):
        train_stack([first, second], callbacks=[At(2, kill)])
    alone.folder.mkdir(parents=True)
    shutil.copy(first.files.checkpoint, alone.files.checkpoint)
    train_stack([first, second], callbacks=[At(0, kill)])  # it goes on where it was
    for run, other in zip((first, second), whole, strict=True):
        assert_same(run, other)
    assert execute(alone).state is State.DONE
    assert "resuming" in alone.files.log.read_text()
    pd.testing.assert_frame_equal(alone.files.read_metrics(), first.files.read_metrics(), rtol=1e-3)


def test_one_that_diverges_leaves(tmp_path: Path, quick: list[str]) -> None:
    runs, others = ([prepare(job) for job in jobs(quick, tmp_path / name)[:2]] for name in ("runs", "others"))

    def spoil(module: Any) -> None:
        module.model.head[0].weight.data[1, 0] = torch.nan

    found = train_stack(runs, callbacks=[At(1, spoil)])
    assert found.keys() == {runs[1]}
    assert found[runs[1]].startswith("Training diverged: the loss is nan in epoch 1, step 0")
    assert not runs[1].files.model.exists()
    assert execute(runs[0]).state is execute(others[0]).state is State.DONE
    assert_same(runs[0], others[0])


@pytest.mark.parametrize(
    "settings", [["model=fast"], ["technique=trades"], ["trainer.ema=0.9"], ["data.validation=0.1"]]
)
def test_what_trains_otherwise_trains_alone(settings: list[str], make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", *settings)
    assert stack_key(run) is None
    assert stack_key(make_run("technique=natural")) is not None
    with pytest.raises(ValueError, match="`pack` must be a number"):
        train_stack([run, make_run("technique=natural", "seed=1")])
