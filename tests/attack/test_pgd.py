"""FGSM and PGD: within their ball, the same in any batch, as strong as an independent library's."""

import math

import pytest
import torch
from torch import nn

from robust.attack import fgsm, margin, pgd

foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed")


@pytest.fixture(scope="module")
def task():
    """A network that tells patterns in noise, and images with their labels."""
    random = torch.Generator().manual_seed(0)
    patterns = torch.rand(5, 1, 8, 8, generator=random)
    labels = torch.randint(5, (400,), generator=random)
    images = (0.5 * patterns[labels] + 0.5 * torch.rand(400, 1, 8, 8, generator=random)).clamp(0, 1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(8 * 36, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model.eval(), images, labels


def rate(found):
    return found.success.float().mean().item()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.6)])
def test_images_stay_in_the_ball_and_in_range(task, norm, eps):
    model, images, labels = task
    found = pgd(model, images, labels, eps=eps, norm=norm, steps=8)
    change = (found.images[:, 0] - images).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert length.max() <= eps + 1e-6
    assert length.max() > 0.9 * eps
    assert 0 <= found.images.min() <= found.images.max() <= 1
    assert 0.05 < rate(found) < 0.999
    assert torch.equal(found.after[:, 0], model(found.images[:, 0]).argmax(1))
    assert torch.equal(found.before[:, 0], model(images).argmax(1))
    assert torch.equal(found.success[:, 0], found.after[:, 0] != labels)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_fares_the_same_in_any_batch(task, norm):
    model, images, labels = task
    options = {"eps": 0.08 if norm == "linf" else 0.5, "norm": norm, "steps": 5, "restarts": 3, "seed": 4}
    whole = pgd(model, images[:60], labels[:60], **options)
    parts = pgd(model, images[:60], labels[:60], batch_size=7, **options)
    torch.testing.assert_close(whole.images, parts.images)
    assert torch.equal(whole.steps, parts.steps)
    assert torch.equal(whole.queries, parts.queries)
    some = torch.tensor([40, 3, 17])
    alone = pgd(model, images[some], labels[some], numbers=some, **options)
    torch.testing.assert_close(alone.images, whole.images[some])


def test_another_attempt_is_for_those_that_withstood(task):
    model, images, labels = task
    options = {"eps": 0.08, "steps": 4}
    once, thrice = (pgd(model, images, labels, restarts=restarts, **options) for restarts in (1, 3))
    assert (thrice.success >= once.success).all()
    assert thrice.success.sum() > once.success.sum()
    withstood = ~thrice.success[:, 0]
    assert (thrice.steps[withstood] == 12).all()
    assert (thrice.queries[withstood] == 3 * 5 + 1).all()
    assert torch.equal(thrice.steps[once.success], once.steps[once.success])


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.6)])
@pytest.mark.parametrize("targeted", [False, True])
def test_it_is_as_strong_as_an_independent_library(task, norm, eps, targeted):
    model, images, labels = task
    goals = (labels + 1) % 5 if targeted else labels
    ours = pgd(model, images, goals, eps=eps, step=eps / 4, steps=20, norm=norm, targeted=targeted)
    kind = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    criterion = (foolbox.criteria.TargetedMisclassification if targeted else foolbox.criteria.Misclassification)(goals)
    theirs = kind(abs_stepsize=eps / 4, steps=20)
    _, _, success = theirs(foolbox.PyTorchModel(model, bounds=(0, 1)), images, criterion, epsilons=eps)
    assert rate(ours) == pytest.approx(success.float().mean().item(), abs=0.01)
    assert 0.05 < rate(ours) < 0.99


def test_fgsm_is_one_step(task):
    model, images, labels = task
    ours = fgsm(model, images, labels, eps=0.1)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    rival = foolbox.PyTorchModel(model, bounds=(0, 1))
    theirs, _, success = attack(rival, images, foolbox.criteria.Misclassification(labels), epsilons=0.1)
    assert rate(ours) == success.float().mean().item()
    moved = ours.steps[:, 0] == 1
    torch.testing.assert_close(ours.images[moved, 0], theirs[moved])
    assert 0.05 < rate(ours) < 0.99


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_without_room_nothing_changes(task, attack):
    model, images, labels = task
    found = attack(model, images, labels, eps=0)
    assert torch.equal(found.images[:, 0], images)
    assert torch.equal(found.success[:, 0], model(images).argmax(1) != labels)


def test_a_network_that_is_very_sure_is_reached_by_its_margin(task):
    model, images, labels = task
    sure = nn.Sequential(model, Times(10_000)).eval()
    right = model(images).argmax(1) == labels
    with pytest.warns(UserWarning, match=r"The gradient is zero for \d+ of \d+ images.*attack.loss=margin"):
        masked = pgd(sure, images[right], labels[right], eps=0.12, steps=10, random_start=False)
    seen = pgd(sure, images[right], labels[right], eps=0.12, steps=10, random_start=False, loss=margin)
    assert rate(masked) < 0.5 * rate(seen)


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return logits * self.factor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"eps": 8},
            r"`attack.eps` must be from 0 to 1, since images are in \[0, 1\]; got 8. Grey levels are written 8/255",
        ),
        ({"eps": -0.1}, "`attack.eps` must be from 0 to 1"),
        ({"eps": math.nan}, "`attack.eps` must be from 0 to 1"),
        ({"eps": 9, "norm": "l2"}, "`attack.eps` must be from 0 to 8"),
        ({"norm": "l3"}, "`attack.norm` must be linf or l2; got l3"),
        ({"step": -1}, "`attack.step` must be above 0; got -1"),
        ({"steps": 0}, "`attack.steps` must be a whole number >= 1; got 0"),
        ({"restarts": 0}, "`attack.restarts` must be a whole number >= 1; got 0"),
        ({"labels": torch.full((4,), 5)}, "Classes must be below 5, the number of the model's outputs; got 5"),
        ({"labels": torch.full((4,), -1)}, "Classes must be numbers from 0; got -1"),
        ({"images": torch.full((4, 1, 8, 8), 1.5)}, r"Images must be in \[0, 1\]; got 1.5 to 1.5"),
    ],
)
def test_wrong_input_is_explained(task, options, message):
    model, images, labels = task
    given = {"images": images[:4], "labels": labels[:4], **options}
    with pytest.raises(ValueError, match=message):
        pgd(model, given.pop("images"), given.pop("labels"), **given)


def test_a_model_that_still_learns_is_refused(task):
    _, images, labels = task
    with pytest.raises(ValueError, match="The model must be in eval mode to be attacked"):
        fgsm(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), images, labels)
