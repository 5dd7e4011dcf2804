"""What a sweep will cost, by what past runs beside it did."""

import datetime
from collections.abc import Callable

import pytest

from robust.experiment.experiment import Experiment
from robust.experiment.work import work_left
from robust.runs import State, write_status
from robust.sweep.price import price_of

NOW = datetime.datetime(2026, 1, 31, 23, 59)


def done(run: Experiment, *, train_s: float, joules: float = 60.0) -> None:
    """Records that a run was made, trained in so many seconds, and tested in 1."""
    seconds, work = {"train": train_s, "measure": 1.0}, work_left(run)
    price = {"seconds": train_s + 1, "cpu_seconds": 6.0, "gpu_seconds": 0.0, "joules": joules, "joules_by": "rapl"}
    price |= {"cpu_s": {"train": 5.0, "measure": 1.0}, "work": work}
    write_status(run.folder, State.DONE, durations_s=seconds, price=price, identity=run.identity.as_dict())


def test_runs_of_a_kind_cost_what_those_of_other_seeds_did(make_run: Callable[..., Experiment]) -> None:
    done(make_run("perturb=noise", "seed=0"), train_s=4)
    done(make_run("perturb=noise", "seed=1"), train_s=6)
    done(make_run("perturb=blur", "seed=0"), train_s=100)
    price = price_of([make_run("perturb=noise", f"seed={seed}") for seed in (2, 3, 4)])
    assert price.seconds == pytest.approx(3 * (5 + 1))
    assert (price.longest, price.past, price.unknown) == (pytest.approx(6), 3, 0)
    assert price.joules == pytest.approx(price.cpu_seconds * 10)


def test_other_lengths_of_training_are_in_proportion(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=noise", "trainer.max_epochs=2")
    done(run, train_s=4)
    longer = price_of([make_run("perturb=noise", "trainer.max_epochs=6")])
    assert longer.seconds == pytest.approx(3 * 4 + 1)
    done(make_run("perturb=noise", "trainer.max_epochs=6", "seed=1"), train_s=9)  # as long as that is known better
    assert price_of([make_run("perturb=noise", "trainer.max_epochs=6")]).seconds == pytest.approx(9 + 1)


def test_what_is_done_costs_nothing_again(make_run: Callable[..., Experiment]) -> None:
    run = make_run("perturb=noise")
    done(run, train_s=4)
    run.files.model.write_bytes(b"")
    assert price_of([run]).seconds == pytest.approx(1)  # its tests are missing


def test_it_is_said_when_workers_will_be_done_and_of_which_runs_nothing_is_known(
    make_run: Callable[..., Experiment],
) -> None:
    assert "not known" in price_of([make_run()]).text(2, NOW)
    done(make_run("perturb=noise", "seed=0"), train_s=119)
    runs = [make_run("perturb=noise", f"seed={seed}") for seed in (1, 2, 3, 4)]
    other = make_run("model=convnet_cifar10")
    text = price_of([*runs, other]).text(2, NOW)
    assert "2 at a time: done in about 4 minutes, 2026-02-01 00:03" in text
    assert "1 runs of which no run here tells" in text
