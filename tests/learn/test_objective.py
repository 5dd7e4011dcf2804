"""What makes a network robust: the attacker stays in its ball, training against it raises accuracy under it, and
predictions that are to agree do so."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from robust.attack import pgd
from robust.data import Batch, to_float
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.learn import Classifier, JSDConsistency, Perturbed, SignAdversary, Trades
from robust.perturb import AugMix, GaussianNoise, ImageRandom, key
from robust.runs import RunFolder, State, load


def test_an_adversary_raises_the_loss_and_stays_near() -> None:
    weights, images = torch.linspace(-1, 1, 16).view(1, 1, 4, 4), torch.full((3, 1, 4, 4), 0.5)
    found = SignAdversary(step=0.01, steps=5)(images, lambda moved: (moved * weights).sum())
    torch.testing.assert_close(found, images + 0.05 * weights.sign())
    edge = SignAdversary(step=0.4, steps=3)(images, lambda moved: (moved * weights).sum())
    assert 0 <= edge.min() <= edge.max() <= 1


def test_with_a_ball_it_begins_anywhere_and_never_leaves() -> None:
    weights, images = torch.linspace(-1, 1, 16).view(1, 1, 4, 4), torch.rand(3, 1, 4, 4)
    torch.manual_seed(0)
    found = [
        SignAdversary(step="2/255", steps=steps, eps="8/255")(images, lambda moved: (moved * weights).sum())
        for steps in (1, 1, 20)
    ]
    assert all((one - images).abs().max() <= 8 / 255 + 1e-6 for one in found)
    assert all(0 <= one.min() <= one.max() <= 1 for one in found)
    assert not torch.equal(found[0], found[1])
    torch.testing.assert_close(found[2], (images + 8 / 255 * weights.sign()).clamp(0, 1))


def test_who_trained_against_an_attacker_withstands_it(tmp_path: Path) -> None:
    settings = ["evaluation=none", "trainer.threads=1", "trainer.accelerator=cpu", f"runs_dir={tmp_path}"]
    eps, rates = 0.1, {}
    for technique in ("natural", "adversarial_fgsm", "trades"):
        eps_step_steps = {"adversarial_fgsm": [eps, 0.125, 1], "trades": [eps, 0.05, 3]}.get(technique)
        names = ["eps", "step", "steps"] if eps_step_steps else []
        given = [f"technique.objective.{name}={value}" for name, value in zip(names, eps_step_steps or [], strict=True)]
        run = prepare([*settings, f"technique={technique}", "trainer.max_epochs=15", *given])
        status = execute(run)
        assert status.state is State.DONE, status.reason
        test = run.splits.test
        found = pgd(load(run.folder), to_float(test.images), test.labels, eps=eps, steps=10)
        rates[technique] = 1 - found.success.float().mean().item()
    assert min(rates["adversarial_fgsm"], rates["trades"]) > rates["natural"] + 0.2


def test_augmix_trains_and_recognises(tmp_path: Path) -> None:
    settings = ["technique=augmix", "evaluation=natural", "trainer.threads=1", f"runs_dir={tmp_path}"]
    run = prepare([*settings, "trainer.accelerator=cpu", "trainer.max_epochs=8"])
    status = execute(run)
    assert status.state is State.DONE, status.reason
    assert RunFolder(run.folder).read_rows()["accuracy"].item() > 0.9


def _a_batch() -> tuple[Classifier, Batch]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    task = Classifier(model, optimizer=torch.optim.SGD, seed=3)
    images, labels = torch.rand(6, 1, 8, 8), torch.arange(6) % 5
    return task, Batch(images, labels, {}, torch.arange(10, 16))


def test_trades_adds_the_divergence_of_what_an_attacker_makes_of_an_image() -> None:
    task, batch = _a_batch()
    trades = Trades(beta=2, eps=0.1, step=0.05, steps=4)
    moved = batch.images.clone()

    def notes(images: torch.Tensor, loss: object) -> torch.Tensor:
        moved.copy_(SignAdversary(eps=0.1, step=0.05, steps=4)(images, loss))  # type: ignore[arg-type]
        return moved

    trades.adversary = notes  # type: ignore[assignment]
    loss, shown = trades(task, batch)
    natural, others = (softmax(task.model(one).detach().double().numpy(), axis=1) for one in (batch.images, moved))
    plain = task.compute_loss(batch)[0].item()
    assert (moved - batch.images).abs().max() > 0.05
    np.testing.assert_allclose(loss.item(), plain + 2 * entropy(natural, others, axis=1).mean(), rtol=1e-4)
    assert set(shown) == {"accuracy"}


def test_augmix_adds_the_divergence_of_three_views() -> None:
    task, batch = _a_batch()
    task._trainer = SimpleNamespace(current_epoch=2)  # type: ignore[assignment]
    views = AugMix(severity=9)
    loss, _ = JSDConsistency(views=views, weight=5)(task, batch)
    shown = [views.perturb(batch.images, ImageRandom(key("view", 3, 2, which), batch.indices)) for which in range(2)]
    sure = [softmax(task.model(one).detach().double().numpy(), axis=1) for one in (batch.images, *shown)]
    mixture = np.mean(sure, axis=0)
    differ = np.mean([entropy(one, mixture, axis=1) for one in sure])
    np.testing.assert_allclose(loss.item(), task.compute_loss(batch)[0].item() + 5 * differ, rtol=1e-4)


def test_of_predictions_that_are_the_same_nothing_is_added() -> None:
    task, batch = _a_batch()
    task._trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    loss, _ = JSDConsistency(views=AugMix(severity=0))(task, batch)
    torch.testing.assert_close(loss, task.compute_loss(batch)[0])


def test_a_perturbed_view_takes_the_place_of_each_image_another_in_every_epoch() -> None:
    task, batch = _a_batch()
    views, losses = GaussianNoise(std=0.3), []
    for epoch in (2, 3):
        task._trainer = SimpleNamespace(current_epoch=epoch)  # type: ignore[assignment]
        losses.append(Perturbed(views=views)(task, batch)[0])
        shown = views.perturb(batch.images, ImageRandom(key("view", 3, epoch, 0), batch.indices))
        torch.testing.assert_close(losses[-1], task.compute_loss(batch._replace(images=shown))[0])
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"eps": 8},
            r"`technique.objective.eps` must be above 0 and at most 1; got 8\. .*written 8/255",
        ),
        ({"eps": "8/x"}, "`technique.objective.eps` must be a number or a fraction"),
        ({"step": 0}, "`technique.objective.step` must be above 0"),
        ({"steps": 0}, "`technique.objective.steps` must be at least 1; got 0"),
    ],
)
def test_wrong_settings_are_explained(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SignAdversary(**options)  # type: ignore[arg-type]
