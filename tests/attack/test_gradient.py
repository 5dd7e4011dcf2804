"""The iterated gradient sign: each step, when an image leaves, and what comes back."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from robust.attack import cross_entropy_toward, distances, gradient_sign, record


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 36, 3)).eval()


@pytest.fixture
def images():
    return torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def alone(model, image, target, *, step, steps):
    """One image, by the formula."""
    moved = image.clone()
    for taken in range(steps + 1):
        moved.requires_grad_(True)
        logits = model(moved)
        if logits.argmax(1) == target or taken == steps:
            return moved.detach(), taken, bool(logits.argmax(1) == target)
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, target), moved)
        moved = (moved.detach() - step * gradient.sign()).clamp(0, 1)
    raise AssertionError


@pytest.mark.parametrize("batch_size", [1, 5, 256])
def test_every_image_goes_its_own_way_in_any_batch(model, images, batch_size):
    targets = torch.arange(12) % 3
    found = gradient_sign(model, images, targets, step=0.02, max_steps=6, batch_size=batch_size)
    for place, image in enumerate(images):
        moved, taken, success = alone(model, image[None], targets[place : place + 1], step=0.02, steps=6)
        assert found.steps[place, 0] == taken
        assert found.success[place, 0] == success
        torch.testing.assert_close(found.images[place, 0], moved[0])
    assert torch.equal(found.before[:, 0], model(images).argmax(1))
    assert torch.equal(found.after[:, 0], model(found.images[:, 0]).argmax(1))
    assert {0, 6} <= set(found.steps[:, 0].tolist())  # some had it already, some never
    assert found.success.float().mean() not in (0, 1)


def test_images_stay_in_range_and_the_last_comes_back_without_success(model, images):
    unreachable = lambda outputs: torch.full((len(outputs), 1), -1)  # noqa: E731
    found = gradient_sign(
        model, images, torch.zeros(12, dtype=torch.int64), step=0.3, max_steps=4, predictions=unreachable
    )
    assert not found.success.any()
    assert (found.steps == 4).all()
    assert 0 <= found.images.min() <= found.images.max() <= 1
    assert distances(images, found.images[:, 0])["linf"].max() > 0.3


def test_one_search_serves_every_rule(model, images):
    def at(margin):
        def predictions(logits):
            best = logits.topk(2, dim=1)
            clear = best.values[:, 0] - best.values[:, 1] > margin
            return torch.where(clear, best.indices[:, 0], -1)[:, None]

        return predictions

    margins, targets = (0.0, 0.05, 0.2), torch.arange(12) % 3
    options = {"step": 0.02, "max_steps": 30}
    both = gradient_sign(
        model, images, targets, predictions=lambda out: torch.cat([at(one)(out) for one in margins], 1), **options
    )
    for rule, margin in enumerate(margins):
        own = gradient_sign(model, images, targets, predictions=at(margin), **options)
        assert torch.equal(both.steps[:, rule], own.steps[:, 0])
        assert torch.equal(both.success[:, rule], own.success[:, 0])
        torch.testing.assert_close(both.images[:, rule], own.images[:, 0])
    assert (both.steps[:, 2] >= both.steps[:, 0]).all()


def test_finished_images_leave_the_batch(model, images):
    sizes = []
    handle = model.register_forward_hook(lambda *_: sizes.append(len(_[2])))
    gradient_sign(model, images, torch.arange(12) % 3, step=0.02, max_steps=15, batch_size=6)
    handle.remove()
    found = gradient_sign(model, images, torch.arange(12) % 3, step=0.02, max_steps=15, batch_size=6)
    assert sum(sizes) == (found.steps + 1).sum()
    assert max(sizes) == 6


def test_the_model_is_left_as_it_was(model, images):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradient_sign(model, images, torch.zeros(12, dtype=torch.int64), max_steps=3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_record_says_how_far_and_how_long(model, images):
    targets = torch.arange(12) % 3
    found = gradient_sign(model, images, targets, step=0.02, max_steps=15)
    table = record(
        found, images, numbers=torch.arange(100, 112), labels=targets, targets=targets, thresholds=[float("nan")]
    )
    assert table["image"].tolist() == list(range(100, 112))
    change = (found.images[:, 0] - images).flatten(1)
    assert table["l2"].tolist() == pytest.approx(change.norm(dim=1).tolist())
    assert table["distortion"].tolist() == pytest.approx(change.square().mean(1).sqrt().tolist())
    assert table["linf"].tolist() == pytest.approx(change.abs().amax(1).tolist())
    assert (table["queries"] == table["steps"] + 1).all()
    assert (table.loc[table["steps"] == 0, "l0"] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": torch.rand(2, 1, 8, 8) * 255}, r"Images must be in \[0, 1\]"),
        ({"images": torch.zeros(2, 1, 8, 8, dtype=torch.uint8)}, "An attack needs floating-point images"),
        ({"targets": torch.zeros(3, dtype=torch.int64)}, "a class for each; got "),
        ({"step": 0}, "`attack.step` must be above 0; got 0"),
        ({"max_steps": 0}, "`attack.max_steps` must be a whole number >= 1; got 0"),
        ({"batch_size": 0}, "`attack.batch_size` must be a whole number >= 1; got 0"),
    ],
)
def test_wrong_input_is_explained(model, options, message):
    given = {"images": torch.rand(2, 1, 8, 8), "targets": torch.zeros(2, dtype=torch.int64), **options}
    with pytest.raises(ValueError, match=message):
        gradient_sign(model, given.pop("images"), given.pop("targets"), **given)


def test_steps_are_those_of_an_independent_library(model, images):
    foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed")
    targets = torch.arange(12) % 3
    unreachable = lambda outputs: torch.full((len(outputs), 1), -1)  # noqa: E731
    ours = gradient_sign(
        model, images, targets, step=0.02, max_steps=10, predictions=unreachable, loss=cross_entropy_toward
    )
    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=0.02, steps=10, random_start=False)
    theirs, _, _ = attack(
        foolbox.PyTorchModel(model, bounds=(0, 1)),
        images,
        foolbox.criteria.TargetedMisclassification(targets),
        epsilons=1.0,
    )
    torch.testing.assert_close(ours.images[:, 0], theirs)
