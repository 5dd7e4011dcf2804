"""Attacks that draw, and attacks that are the same for all images."""

import pytest
import torch
from torch import nn

from robust.attack import fgsm, paste, patch, pgd, universal, worst_of
from robust.attack.gradient import mean_log_probabilities
from robust.perturb import GaussianNoise, ImageRandom, Shift, key


@pytest.fixture(scope="module")
def task():
    """A linear network, images that it recognises, and their classes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 4)).eval()
    images = torch.rand(300, 3, 12, 12)
    return model, images, model(images).argmax(1)


def test_more_draws_are_never_weaker_and_each_image_has_its_own(task):
    model, images, labels = task
    options = {"perturbation": Shift(level=0.4), "seed": 3}
    few, many = (worst_of(model, images, labels, draws=draws, **options) for draws in (2, 8))
    assert 0 < few.success.float().mean() < many.success.float().mean()
    assert many.success[few.success].all()
    assert torch.equal(model(many.images[:, 0]).argmax(1), many.after[:, 0])
    some = torch.tensor([7, 100, 3])
    again = worst_of(model, images[some], labels[some], draws=8, numbers=some, batch_size=2, **options)
    assert torch.equal(again.images, many.images[some])
    assert torch.equal(again.steps, many.steps[some])
    assert (many.queries == many.steps + 1).all()


def test_a_draw_is_that_of_the_perturbation(task):
    model, images, labels = task
    noise = GaussianNoise(std=0.3)
    found = worst_of(model, images, labels, perturbation=noise, draws=4)
    first = (found.steps[:, 0] == 1) & found.success[:, 0]
    assert first.any()
    drawn = noise.perturb(images, ImageRandom(key("worst of", 0, 1), torch.arange(len(images))))
    assert torch.equal(found.images[first, 0], drawn[first])


def test_what_nothing_deceives_keeps_the_nearest_draw(task):
    model, images, labels = task
    found = worst_of(model, images, labels, perturbation=GaussianNoise(std=0.01), draws=3)
    kept = ~found.success[:, 0]
    logits = model(images)[kept].gather(1, labels[kept, None])
    assert kept.any()
    assert (model(found.images[kept, 0]).gather(1, labels[kept, None]) < logits).float().mean() > 0.5


def test_expectation_over_transformation_is_the_mean_of_what_is_seen(task):
    model, images, _ = task
    noise, numbers = GaussianNoise(std=0.2), torch.arange(300)
    found = mean_log_probabilities(model, images, noise, 5, ("a",), numbers)
    views = [noise.perturb(images, ImageRandom(key("a", draw), numbers)) for draw in range(5)]
    torch.testing.assert_close(found.exp(), torch.stack([model(view).softmax(1) for view in views]).mean(0))


def test_what_deceives_in_expectation_also_deceives_when_perturbed(task):
    model, images, labels = task
    moves, options = Shift(level=0.3), {"eps": 0.05, "steps": 10}
    plain = pgd(model, images, labels, **options)
    through = pgd(model, images, labels, perturbation=moves, draws=10, **options)

    def deceived(moved):
        views = [moves(moved, seed=seed) for seed in range(20)]
        return torch.stack([model(view).argmax(1) != labels for view in views]).float().mean()

    assert deceived(through.images[:, 0]) > deceived(plain.images[:, 0]) + 0.05
    some = torch.tensor([5, 50])
    again = pgd(model, images[some], labels[some], perturbation=moves, draws=10, numbers=some, **options)
    torch.testing.assert_close(again.images, through.images[some])


def test_what_changes_nothing_deceives_nobody_through_a_perturbation_either(task):
    model, images, labels = task
    noise = GaussianNoise(std=0.3)
    still = pgd(model, images, labels, eps=0, steps=5, random_start=False, perturbation=noise, draws=5)
    assert torch.equal(still.before, still.after)
    assert torch.equal(still.success[:, 0], still.before[:, 0] != labels)
    training = images[:50], labels[:50]
    patched = patch(model, images, labels, training=training, size=0.01, step=1e-9, perturbation=noise, epochs=1)
    agree = (patched.before == patched.after).float().mean()
    assert agree > 0.95, "a grey pixel is hardly seen, and the noise is the same before and after"


@pytest.mark.parametrize("attack", [universal, patch])
def test_the_batch_in_which_images_are_shown_changes_nothing(task, attack):
    model, images, labels = task
    options = {"training": (images[:100], labels[:100]), "epochs": 2}
    whole, few = (attack(model, images, labels, batch_size=size, **options) for size in (256, 7))
    torch.testing.assert_close(whole.images, few.images)
    assert torch.equal(whole.success, few.success)


def test_one_perturbation_serves_for_images_that_it_was_not_learnt_from(task):
    model, images, labels = task
    known, others = (images[:200], labels[:200]), (images[200:], labels[200:])
    found = universal(model, *others, training=known, eps=0.05, epochs=5)
    changed = found.images[:, 0] - others[0]
    assert changed.abs().max() <= 0.05 + 1e-6
    inside = (others[0] > 0.06) & (others[0] < 0.94)
    spread = torch.where(inside, changed, torch.nan)
    least, greatest = spread.nan_to_num(9).amin(0), spread.nan_to_num(-9).amax(0)
    assert (greatest - least).max() < 1e-6  # the same in all
    noise = (others[0] + 0.05 * torch.randn(3, 12, 12).sign()).clamp(0, 1)
    assert found.success.float().mean() > (model(noise).argmax(1) != others[1]).float().mean() + 0.2
    to = torch.full_like(labels, 2)
    aimed = universal(model, images[200:], to[200:], training=(images[:200], to[:200]), eps=0.05, targeted=True)
    assert aimed.success.float().mean() > (others[1] == 2).float().mean() + 0.2


def test_a_patch_stays_in_the_image_and_leads_others_to_its_class(task):
    torch.manual_seed(0)
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    model, images = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *pooled).eval(), task[1]
    with torch.no_grad():
        model[-1].bias -= model(images).mean(0)  # or it would see one class everywhere
    to = torch.ones(300, dtype=torch.int64)
    options = {"training": (images[:200], to[:200]), "size": 0.5, "step": 0.1, "epochs": 10, "targeted": True}
    found = patch(model, images[200:], to[200:], **options)
    touched = ((found.images[:, 0] - images[200:]).abs() > 1e-6).any(1).float().mean((1, 2))
    moved = found.steps[:, 0] > 0
    assert 0.15 < touched[moved].min() <= touched[moved].max() < 0.5
    grey = paste(images[200:], torch.full((3, 6, 6), 0.5), ImageRandom(key("shown", 0), torch.arange(100)), turn=20)
    assert found.success.float().mean() > 0.9 > (model(grey).argmax(1) == 1).float().mean() + 0.2
    some = torch.tensor([5, 50])
    again = patch(model, images[200:][some], to[:2], numbers=some, **options)
    torch.testing.assert_close(again.images, found.images[some])


def test_a_pattern_is_pasted_as_it_is_where_it_is_not_turned():
    pattern = torch.rand(3, 4, 4)
    pasted = paste(torch.zeros(50, 3, 16, 10), pattern, ImageRandom(1, torch.arange(50)), turn=0)
    sums = pasted.sum((1, 2, 3))
    torch.testing.assert_close(sums, pattern.sum().expand(50), rtol=1e-4, atol=1e-3)  # whole in each
    places = pasted.sum(1).flatten(1).argmax(1)
    assert len(places.unique()) > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda *task: patch(*task, training=task[1:], size=0), "`attack.size` must be above 0 and at most 1"),
        (
            lambda *task: patch(*task, training=task[1:], turn=270),
            "`attack.turn` must be from 0 to 180 degrees; got 270",
        ),
        (lambda *task: universal(*task, training=task[1:], eps=8), r"`attack.eps` must be from 0 to 1.* 8/255"),
        (lambda *task: universal(*task, training=task[1:], epochs=0), "`attack.epochs` must be a whole number >= 1"),
        (lambda *task: worst_of(*task, perturbation=Shift(level=0.1), draws=0), "`attack.draws` must be a whole"),
        (lambda model, images, labels: fgsm(model, 2 * images, labels), r"Images must be in \[0, 1\]"),
    ],
)
def test_wrong_settings_are_explained(task, call, message):
    model, images, labels = task
    with pytest.raises(ValueError, match=message):
        call(model, images[:4], labels[:4])
