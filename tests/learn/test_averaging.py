"""Averaged weights, and learning rates, are what their formulas say."""

import math
from collections.abc import Callable

import pytest
import torch
from bare import bare_steps, trained

from robust.experiment.experiment import Experiment
from robust.learn import Constant, OneCycle, lr_factor


def test_the_average_is_that_of_a_bare_loop(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", "trainer.ema=0.8")
    found = trained(run)

    average: dict[str, torch.Tensor] = {}
    for steps, model in enumerate(bare_steps(run, epochs=2)):
        decay = min(0.8, (1 + steps) / (10 + steps)) if steps else 0
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                average[name] = decay * average.get(name, value) + (1 - decay) * value
    for name, value in average.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found["features.0.weight"], model.state_dict()["features.0.weight"], atol=1e-4)


def test_the_learning_rate_rises_over_the_warmup_and_then_follows_its_schedule_step_by_step(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []
    step = torch.optim.SGD.step

    def note(self: torch.optim.SGD, closure: Callable[[], float] | None = None) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, closure)

    monkeypatch.setattr(torch.optim.SGD, "step", note)
    warm = ["lr_scheduler=cosine", "lr_scheduler.warmup_epochs=1", "trainer.max_epochs=3"]
    trained(make_run("technique=natural", "optimizer=sgd", "optimizer.lr=0.02", *warm))
    warmup = [0.02 * (number + 1) / 14 for number in range(13)]
    fall = [0.02 * (1 + math.cos(math.pi * number / 26)) / 2 for number in range(26)]
    assert rates == pytest.approx([*warmup, *fall])


def test_one_cycle_rises_and_falls() -> None:
    factor = OneCycle(peak=0.25, start=0.1, end=0.01)
    assert [factor(progress) for progress in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0.1, 0.55, 1, 0.505, 0.01])
    with pytest.raises(ValueError, match=r"`lr_scheduler.peak` must be above 0 and below 1; got 1"):
        OneCycle(peak=1)


def test_without_a_warmup_a_schedule_runs_over_all_steps() -> None:
    assert [lr_factor(Constant(value=0.5), step, steps=4) for step in range(5)] == [0.5] * 5
    assert [lr_factor(Constant(value=1), step, steps=9, warmup=3) for step in range(4)] == [0.25, 0.5, 0.75, 1]
