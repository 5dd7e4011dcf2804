"""Adversarial training: the attacker stays where it may be, and who trained against it withstands it."""

from pathlib import Path

import pytest
import torch

from robust.attack import pgd
from robust.configuration import compose
from robust.data import to_float
from robust.learn import SignAdversary
from robust.prepare import prepare
from robust.run import execute
from robust.runs import State, load


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
    for technique in ("natural", "adversarial_fgsm"):
        given = [] if technique == "natural" else [f"technique.adversary.eps={eps}", "technique.adversary.step=0.125"]
        run = prepare(compose([*settings, f"technique={technique}", "trainer.max_epochs=15", *given]))
        status = execute(run)
        assert status.state is State.DONE, status.reason
        test = run.splits.test
        found = pgd(load(run.folder), to_float(test.images), test.labels, eps=eps, steps=10)
        rates[technique] = 1 - found.success.float().mean().item()
    assert rates["adversarial_fgsm"] > rates["natural"] + 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"eps": 8},
            r"`technique.adversary.eps` must be above 0 and at most 1; got 8\. .*written 8/255",
        ),
        ({"eps": "8/x"}, "`technique.adversary.eps` must be a number or a fraction"),
        ({"step": 0}, "`technique.adversary.step` must be above 0"),
        ({"steps": 0}, "`technique.adversary.steps` must be at least 1; got 0"),
    ],
)
def test_wrong_settings_are_explained(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SignAdversary(**options)  # type: ignore[arg-type]
