"""The one-pixel attack: few pixels change, alike in any batch, as strong as SciPy's differential evolution."""

import numpy as np
import pytest
import torch
from scipy.optimize import differential_evolution
from torch import nn

from robust.attack import one_pixel


@pytest.fixture(scope="module")
def task():
    """A network that hangs on few pixels, and images with the labels that it gives them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 196, 4)).eval()
    images = 0.3 + 0.4 * torch.rand(120, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model, images, model(images).argmax(1)


def rate(found):
    return found.success.float().mean().item()


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("strategy", ["rand1", "best1"])
def test_only_so_many_pixels_change(task, pixels, strategy):
    model, images, labels = task
    options = {"population": 20, "generations": 8, "pixels": pixels, "strategy": strategy}
    found = one_pixel(model, images, labels, **options)
    changed = (found.images[:, 0] != images).any(1).flatten(1).sum(1)
    assert changed.min() >= 1
    assert changed.max() == pixels
    assert 0 <= found.images.min() <= found.images.max() <= 1
    with torch.no_grad():
        assert torch.equal(found.after[:, 0], model(found.images[:, 0]).argmax(1))
    assert torch.equal(found.success[:, 0], found.after[:, 0] != labels)
    assert torch.equal(found.before[:, 0], labels)
    assert 0.05 < rate(found) < 1
    assert (found.steps[~found.success] == 9).all()
    assert torch.equal(found.queries, 1 + 20 * found.steps)


def test_more_generations_reach_more(task):
    model, images, labels = task
    short, long = (one_pixel(model, images, labels, population=20, generations=n) for n in (2, 30))
    assert rate(long) > rate(short)
    assert torch.equal(short.images[short.success], long.images[short.success])


def test_an_image_fares_the_same_in_any_batch(task):
    model, images, labels = task
    options = {"population": 12, "generations": 6, "seed": 3}
    whole = one_pixel(model, images[:30], labels[:30], **options)
    some = torch.tensor([20, 3, 11])
    alone = one_pixel(model, images[some], labels[some], numbers=some, batch_size=5, **options)
    torch.testing.assert_close(alone.images, whole.images[some])
    assert torch.equal(alone.steps, whole.steps[some])


def test_a_target_is_reached_and_images_that_show_it_already_are_left_alone(task):
    model, images, labels = task
    targets = (labels + 1) % 4
    targets[:5] = labels[:5]
    found = one_pixel(model, images, targets, targeted=True, population=30, generations=20)
    assert torch.equal(found.success[:, 0], found.after[:, 0] == targets)
    assert torch.equal(found.images[:5, 0], images[:5])
    assert (found.steps[:5] == 0).all()
    assert (found.queries[:5] == 1).all()
    assert 0.02 < rate(found) < 1


def test_it_is_as_strong_as_scipys_differential_evolution(task):
    model, images, labels = task
    population, generations = 50, 12
    theirs = []
    for image, label in zip(images, labels, strict=True):

        def sure(candidates, image=image, label=label):
            changed = image.repeat(candidates.shape[1], 1, 1, 1)
            y, x = torch.from_numpy(candidates[:2]).long().clamp(max=15)
            changed[torch.arange(len(changed)), :, y, x] = torch.from_numpy(candidates[2:].T).float()
            with torch.no_grad():
                logits = model(changed)
            sure.fooled |= bool((logits.argmax(1) != label).any())
            return logits.softmax(1)[:, label].double().numpy()

        sure.fooled = False
        differential_evolution(
            sure,
            [(0, 16), (0, 16), (0, 1), (0, 1), (0, 1)],
            maxiter=generations,
            popsize=population // 5,
            init="random",
            recombination=1,
            atol=-1,
            tol=-1,
            polish=False,
            rng=np.random.default_rng(0),
            updating="deferred",  # a generation at a time, as ours
            vectorized=True,
            callback=lambda *_, sure=sure: sure.fooled,
        )
        theirs.append(sure.fooled)
    ours = one_pixel(model, images, labels, population=population, generations=generations, strategy="best1")
    assert rate(ours) == pytest.approx(np.mean(theirs), abs=0.05)
    assert 0.1 < rate(ours) < 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixels": 0}, "`attack.pixels` must be a whole number >= 1; got 0"),
        ({"population": 3}, "`attack.population` must be a whole number >= 4; got 3"),
        ({"generations": 0}, "`attack.generations` must be a whole number >= 1; got 0"),
        ({"strategy": "worst"}, "`attack.strategy` must be rand1 or best1; got worst"),
        ({"batch_size": 0}, "`attack.batch_size` must be a whole number >= 1; got 0"),
    ],
)
def test_wrong_settings_are_explained(task, options, message):
    model, images, labels = task
    with pytest.raises(ValueError, match=message):
        one_pixel(model, images[:2], labels[:2], **options)
