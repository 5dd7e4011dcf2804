"""How many threads a run computes with."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch

from robust.errors import run_command
from robust.experiment import threads
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.threads import computing
from robust.learn import DivergedError
from robust.runs import State


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def used(run: Experiment) -> int:
    with computing(run):
        return torch.get_num_threads()


SMALL = ["technique=natural", "trainer.threads=auto"]


def test_a_step_of_little_work_takes_one_thread_and_one_of_much_as_many_as_torch(
    make_run: Callable[..., Experiment],
) -> None:
    assert used(make_run(*SMALL)) == 1
    assert used(make_run(*SMALL, "data.batch_size=1200")) == 3
    assert used(make_run(*SMALL, "model=resnet18")) == 3
    assert used(make_run("technique=natural", "trainer.threads=2")) == 2
    assert torch.get_num_threads() == 3


def test_a_network_whose_work_cannot_be_counted_takes_as_many_as_torch(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    run = make_run(*SMALL)
    monkeypatch.setattr(threads, "FlopCounterMode", refuse)
    assert used(run) == 3


@pytest.mark.parametrize("settings", [[], ["optimizer.lr=1e30"]])
def test_after_a_run_that_ends_or_fails_threads_are_as_before(
    make_run: Callable[..., Experiment], settings: list[str]
) -> None:
    run = make_run("technique=natural", "evaluation=none", "trainer.threads=2", *settings)
    assert execute(run).state is (State.FAILED if settings else State.DONE)
    assert torch.get_num_threads() == 3
    with pytest.raises(DivergedError), computing(run):
        raise DivergedError
    assert torch.get_num_threads() == 3


def test_threads_of_a_command_wait_without_spinning_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.delenv("KMP_BLOCKTIME", raising=False)
    run_command(lambda: None)
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["KMP_BLOCKTIME"]) == ("active", "0")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    run_command(lambda: None)
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
