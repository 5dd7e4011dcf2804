"""One model trained by several processes: the same batches, divided among them."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from wandb.util import get_core_path

from robust.data import ImageSet, Mixup, PerturbedData, Splits
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.perturb import GaussianNoise
from robust.runs import State, load

PLAIN = ["model.batch_norm=false", "model.dropout=0"]  # what sees a whole batch, and what is random in each process
TWO = ["trainer=ddp", "trainer.devices=2"]


def make_data(**options: object) -> PerturbedData:
    images = torch.randint(0, 256, (24, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(24)
    split = ImageSet(images, labels, tuple(map(str, range(24))))
    return PerturbedData(Splits(split, split), batch_size=6, perturbation=GaussianNoise(std=0.1), **options)


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 1])
@pytest.mark.parametrize("options", [{}, {"fresh": True}, {"shuffle": True}, {"augmentation": Mixup()}])
@pytest.mark.parametrize("processes", [2, 3, 6])
def test_processes_divide_the_batches_that_one_would_see(share: float, options: dict, processes: int) -> None:
    def batches(process: int, of: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        data = make_data(**options)
        data.set_shard(process, of)
        data.start_epoch(3, share)
        return [data.on_after_batch_transfer(batch, 0)[:2] for batch in data.train_dataloader()]

    whole, parts = batches(0, 1), [batches(process, processes) for process in range(processes)]
    assert len(whole) == 4
    for number, (images, labels) in enumerate(whole):
        for process, part in enumerate(parts):
            assert torch.equal(part[number][0], images[process::processes])
            assert torch.equal(part[number][1], labels[process::processes])


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`data.batch_size` must be a multiple of the 4 processes .*; got 6"):
        make_data().set_shard(0, 4)


def test_two_processes_train_the_network_that_one_does(
    make_run: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    settings = ["technique=incremental", "perturb=noise", *PLAIN, "trainer.checkpoint_every_s=0"]
    alone, together = make_run(*settings), make_run(*settings, *TWO, "logger=wandb", f"runs_dir={tmp_path / 'two'}")
    assert alone.identity == together.identity
    assert execute(alone).state is State.DONE
    assert execute(together).state is State.DONE, together.status().reason
    # Gradients are summed in another order, which shows in how sure the network is, not in its verdicts.
    rows = [pd.read_csv(run.folder / "rows.csv") for run in (alone, together)]
    pd.testing.assert_frame_equal(*rows, rtol=0, atol=1e-3)
    pd.testing.assert_frame_equal(*(pd.read_csv(run.folder / "metrics.csv") for run in (alone, together)), rtol=1e-4)
    (session,) = together.folder.glob("wandb/offline-run-*/*.wandb")
    inspect = [get_core_path(), "leet", "inspect", "--no-observability", "--json"]
    shown = subprocess.run(
        [*inspect, "--run-file", session, session.parent.parent], capture_output=True, check=True
    ).stdout
    assert shown.count(b'"train_loss"') >= 2, "the first process tells of each epoch"
    ours, theirs = (load(run.folder).state_dict() for run in (alone, together))
    for name, weights in ours.items():
        torch.testing.assert_close(weights, theirs[name], rtol=1e-3, atol=1e-4)


class _Surrounded:
    """A function that is called with an environment."""

    def __init__(self, function: Callable[..., None], environment: dict[str, str]) -> None:
        self.function, self.environment = function, environment

    def __call__(self, *arguments: object) -> None:
        os.environ.update(self.environment)
        self.function(*arguments)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes are copies of one that has imported what they need, not new ones."""
    start = torch.multiprocessing.start_processes

    def start_copies(function: Callable[..., None], *, start_method: str, **options: object) -> object:
        return start(_Surrounded(function, {**os.environ}), start_method="forkserver", **options)

    monkeypatch.setattr(torch.multiprocessing, "start_processes", start_copies)


@pytest.mark.usefixtures("copied")
def test_two_processes_contrast_the_views_of_the_whole_batch(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    settings = ["task=simclr", "technique=natural", *PLAIN, "recipe.pretrain.lr=0.001"]
    alone, together = make_run(*settings), make_run(*settings, *TWO, f"runs_dir={tmp_path / 'two'}")
    assert execute(alone).state is State.DONE
    assert execute(together).state is State.DONE, together.status().reason
    pd.testing.assert_frame_equal(*(pd.read_csv(run.folder / "metrics.csv") for run in (alone, together)), atol=0.01)
    ours, theirs = (load(run.folder).state_dict() for run in (alone, together))
    for name, weights in ours.items():
        torch.testing.assert_close(weights, theirs[name], rtol=1e-2, atol=1e-3)


@pytest.mark.usefixtures("copied")
def test_what_goes_wrong_in_several_processes_is_said_as_in_one(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", "optimizer.lr=1e30", *TWO)
    status = execute(run)
    assert status.state is State.FAILED
    assert re.match(
        r"Training diverged: the loss is nan in epoch \d, step \d+ of its 13, .*Try a smaller learning rate",
        status.reason,
    )


def test_a_batch_that_processes_cannot_share_is_refused_before_anything_starts(
    make_run: Callable[..., Experiment],
) -> None:
    with pytest.raises(ValueError, match=r"`data.batch_size` must be a multiple of the 3 processes .*; got 100"):
        make_run("trainer=ddp", "trainer.devices=3")
    with pytest.raises(ValueError, match=r"`pack` must be 1 where a run takes several devices .*; got 4"):
        make_run(*TWO, "pack=4")


def test_several_machines_need_processes_that_slurm_started(make_run: Callable[..., Experiment]) -> None:
    with pytest.raises(ValueError, match=r"`trainer.num_nodes` must be 1 where Slurm did not start .*; got 2"):
        make_run(*TWO, "trainer.num_nodes=2")
