"""What networks say and what searches give is looked at: every image of every batch, whoever wrote them."""

import os
import sys
import types
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from robust.attack import (
    ANY,
    FAULTS,
    AttackPlan,
    AttackResult,
    Budget,
    fgsm,
    gradient_sign,
    one_pixel,
    patch,
    pgd,
    universal,
    worst_of,
)
from robust.attack.libraries import foolbox
from robust.data import ImageSet, to_float
from robust.measure import Condition, measure
from robust.models import OutputError
from robust.perturb import GaussianNoise, Shift

#: a campaign tries many more
TRIED = 200 if os.environ.get("ROBUST_CAMPAIGN") else 8
campaign = settings(max_examples=TRIED, deadline=None, derandomize=True, database=None)

SIDE, COUNT = 4, 30


class Planted(nn.Module):
    """A network that says `value` of images at least as bright as `limit`."""

    def __init__(self, limit: float = 2.0, value: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 3))
        self.limit, self.value = limit, value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = (images.mean((1, 2, 3)) >= self.limit)[:, None]
        return torch.where(bright, self.value, self.layers(images))


def planted(**fault: float) -> Planted:
    torch.manual_seed(0)
    return Planted(**fault).eval()


def some_images() -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(60, 160, (COUNT, 1, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    return ImageSet(images, planted()(to_float(images)).argmax(1), ("a", "b", "c"))


def with_bright_ones(places: list[int]) -> ImageSet:
    images = some_images()
    images.images[places] = 250
    return images


def of_foolbox(*given, **more):
    pytest.importorskip("foolbox", reason="foolbox is not installed")
    return foolbox(*given, method="LinfPGD", eps=0.1, options={"steps": 2}, **more)


TASK = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2)), torch.arange(3)
SEARCHES = {
    "fgsm": lambda *given, **more: fgsm(*given, **more),
    "pgd": lambda *given, **more: pgd(*given, steps=2, **more),
    "pgd through noise": lambda *given, **more: pgd(
        *given, steps=1, draws=2, perturbation=GaussianNoise(std=0.01), **more
    ),
    "gradient_sign": lambda *given, **more: gradient_sign(*given, targeted=False, max_steps=2, **more),
    "one_pixel": lambda *given, **more: one_pixel(*given, population=4, generations=1, **more),
    "worst_of": lambda *given, **more: worst_of(*given, draws=1, perturbation=Shift(level=0.1), **more),
    "universal": lambda *given, **more: universal(*given, training=TASK, epochs=1, **more),
    "foolbox": lambda *given, **more: of_foolbox(*given, **more),
    "patch": lambda *given, **more: patch(*given, training=TASK, epochs=1, **more),
}
batch_sizes = st.sampled_from([1, 2, 7, COUNT, 1000])
places = st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=5, unique=True)
values = st.sampled_from([float("nan"), float("inf"), -float("inf")])


@pytest.mark.parametrize("search", SEARCHES)
@campaign
@given(places=places, value=values, batch_size=batch_sizes)
def test_a_network_that_fails_for_a_few_images_is_noticed_in_every_attack(search, places, value, batch_size):
    images, model = with_bright_ones(places), planted(limit=0.9, value=value)
    with pytest.raises(OutputError, match=r"must return finite logits; got (NaN|infinity) for image \d+") as error:
        SEARCHES[search](model, to_float(images.images), images.labels, batch_size=batch_size)
    if search != "pgd through noise":  # which asks about several views of each
        assert int(str(error.value).partition("for image ")[2].split()[0].rstrip(".")) in places


@campaign
@given(places=places, value=values, batch_size=batch_sizes, noisy=st.booleans())
def test_and_in_every_test_by_the_image_and_the_condition(places, value, batch_size, noisy):
    images, model = with_bright_ones(places), planted(limit=0.9, value=value)
    condition = Condition(GaussianNoise(std=0.001)) if noisy else Condition()
    where = "noise 0.001, trial 0" if noisy else "natural, trial 0"
    first = min(place for place in places if place // batch_size == min(places) // batch_size)
    with pytest.raises(OutputError, match=f"for image {first} (and .* more of its batch )?under {where}"):
        measure(model, images, [condition], trials=2, batch_size=batch_size)


EPS = 0.1
FLAWS = {
    "not finite": lambda image, _: torch.full_like(image, torch.nan),
    "not finite, in one place": lambda image, _: image.index_fill(1, torch.tensor([0]), torch.inf),
    "outside [0, 1], below": lambda image, _: image - 0.7,
    "outside [0, 1], above": lambda image, _: image + 0.7,
    "further than eps": lambda image, _: (image + 0.11).clamp(0, 1),
    "further than eps, black": lambda image, _: torch.zeros_like(image),
    "further than eps in l2": lambda image, _: (image + 0.05).clamp(0, 1),
    "further than eps in l1": lambda image, _: (image + 0.05).clamp(0, 1),
    "no success": lambda image, _: image.clone(),
}


def careless(model, images, classes, *, eps, flaw, bad, norm="linf"):
    """A search of one's own, which names neither batch size nor title, and calls everything a success."""
    found = fgsm(model, images, classes, eps=eps)
    for place in bad:
        if place < len(images):
            found.images[place, 0] = FLAWS[flaw](images[place], classes[place])
    return AttackResult(
        images=found.images,
        success=torch.ones_like(found.success),
        steps=found.steps,
        before=found.before,
        after=found.after,
        queries=found.queries,
    )


@pytest.fixture(scope="module", autouse=True)
def own_module():
    module = types.ModuleType("planted_search")
    module.careless, careless.__module__ = careless, "planted_search"
    sys.modules["planted_search"] = module
    yield module
    del sys.modules["planted_search"]


@campaign
@given(
    flaw=st.sampled_from(sorted(FLAWS)),
    bad=st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
    batch_size=batch_sizes,
)
def test_what_a_search_of_ones_own_may_not_give_is_no_success(flaw, bad, batch_size):
    images, model = some_images(), planted()
    norm = flaw[-2:] if flaw.endswith(("l1", "l2")) else "linf"
    one = AttackPlan(
        name="careless",
        search="planted_search.careless",
        images=6,
        batch_size=batch_size,
        kept=9,
        eps=EPS,
        flaw=flaw,
        bad=bad,
        norm=norm,
    )
    label = int(images.labels.mode().values)
    chosen = one.chosen(images, label)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = one.attack(model, images, (label, ANY))
    word = flaw.partition(",")[0].partition(" in ")[0] if flaw[:7] != "outside" else "outside [0, 1]"
    flawed = table[table["fault"] == word]
    expected = {place for place in bad if place < len(chosen)}
    if norm == "linf":
        assert set(flawed.index) >= expected
        honest = fgsm(model, to_float(images.images[chosen]), images.labels[chosen], eps=EPS)
        others = [place for place in range(len(chosen)) if place not in expected]
        assert table["success"][others].tolist() == honest.success[others, 0].tolist()
    assert not table.loc[sorted(expected), "success"].any()
    assert (table.loc[sorted(expected), "linf"] == 0).all(), "the original is kept"
    assert (table["after"] == table["label"])[~table["success"]].all()
    assert len(said) == 1, "one warning for all"
    assert f"attack=careless: {int((table['fault'] != '').sum())} of {len(chosen)} images are not taken" in str(
        said[0].message
    )


@pytest.mark.parametrize(
    ("norm", "eps", "far", "near"),
    [("l0", 2, 3, 2), ("l1", 0.5, 0.6, 0.4), ("l2", 0.5, 0.6, 0.4), ("linf", 0.5, 0.6, 0.4)],
)
def test_each_norm_has_its_own_budget(norm, eps, far, near):
    images = torch.zeros(2, 1, SIDE, SIDE)
    moved = images.clone()
    for place, size in enumerate((far, near)):
        if norm == "l0":
            moved[place].view(-1)[:size] = 1
        else:
            moved[place].view(-1)[0] = size
    distance = Budget(eps, norm).distance(images, moved)
    assert (distance > eps).tolist() == [True, False]
    Budget(eps, norm).check(images)
    with pytest.raises(ValueError, match=r"`attack.eps` must be from 0 to"):
        Budget(17, norm).check(images)


def test_what_is_no_result_is_named(own_module):
    images, model = some_images(), planted()
    for found, message in (
        (None, "attack=wrong must return a `robust.attack.AttackResult`; got NoneType"),
        (
            AttackResult(*[torch.zeros(1)] * 6),
            r"`AttackResult.images` of attack=wrong must be a tensor of shape \(1, 1, 1, 4, 4\)",
        ),
    ):
        own_module.wrong = lambda model, images, classes, found=found: found
        own_module.wrong.__module__ = "planted_search"
        with pytest.raises(ValueError, match=message):
            AttackPlan(name="wrong", search="planted_search.wrong").check(model, images)


def test_a_search_that_fails_is_named_before_any_training(own_module):
    def broken(model, images, classes, *, size):
        raise KeyError("size")

    own_module.broken, broken.__module__ = broken, "planted_search"
    one = AttackPlan(name="broken", search="planted_search.broken", size=3)
    with pytest.raises(ValueError, match=r"`attack=broken` fails on one image: KeyError.*`planted_search.broken`"):
        one.check(planted(), some_images())
    with pytest.raises(ValueError, match=r"`attack.targeted` must be left out with `attack=broken`, which knows none"):
        AttackPlan(name="broken", search="planted_search.broken", size=3, targeted=True)


def test_a_model_is_left_as_it_was_whatever_a_search_does(own_module):
    model = planted()
    model.layers.add_module("dropout", nn.Dropout())
    model.layers[1].weight.requires_grad_(False)
    modes = [part.training for part in model.modules()]

    def meddling(model, images, classes):
        model.train()
        model.requires_grad_(False)
        raise RuntimeError

    own_module.meddling, meddling.__module__ = meddling, "planted_search"
    with pytest.raises(RuntimeError):
        AttackPlan(name="meddling", search="planted_search.meddling").attack(model, some_images(), (0, ANY))
    assert [part.training for part in model.modules()] == modes
    assert [weight.requires_grad for weight in model.parameters()] == [False, True]
    assert not any(part._forward_pre_hooks for part in model.modules())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_attacks_work_where_gradients_are_switched_off(mode):
    images, model = some_images(), planted()
    expected = pgd(model, to_float(images.images), images.labels, steps=3)
    with mode():
        found = pgd(model, to_float(images.images), images.labels, steps=3)
    assert torch.equal(found.images, expected.images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_networks_and_images_of_any_precision_are_attacked(dtype):
    images = some_images()
    shown = to_float(images.images)
    whole = pgd(planted(), shown, images.labels, eps=0.2, steps=5)
    other = pgd(planted().to(dtype), shown, images.labels, eps=0.2, steps=5)
    assert abs(whole.success.float().mean() - other.success.float().mean()) < 0.2
    found = pgd(planted(), shown.to(dtype), images.labels.int(), eps=0.2, steps=5)
    assert (found.images[:, 0] - shown.to(dtype)).abs().max() <= 0.2 + 1e-6


class Root(nn.Module):
    """A network with no gradient at black images, as the standard deviation has none."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        length = images.flatten(1).square().sum(1).sqrt()
        return torch.stack([length, 1 - length, 0 * length], dim=1)


@pytest.mark.parametrize("search", ["fgsm", "pgd", "gradient_sign"])
def test_an_image_whose_gradient_is_no_number_stays_where_it_was_and_the_others_move(search):
    images = torch.full((5, 1, SIDE, SIDE), 0.08)
    images[2] = 0
    start = {"random_start": False} if search == "pgd" else {}
    with pytest.warns(UserWarning, match="The gradient is zero for 1 of 5 images"):
        found = SEARCHES[search](Root().eval(), images, torch.ones(5, dtype=torch.int64), **start)
    moved = (found.images[:, 0] - images).flatten(1).abs().amax(1) > 0
    assert moved.tolist() == [True, True, False, True, True]


def test_a_direction_is_seen_however_small_the_gradient(own_module):
    images, model = some_images(), planted()

    class Faint(nn.Module):
        def forward(self, shown):
            return model(shown) * 1e-18

    shown = to_float(images.images)
    found, faint = (
        pgd(one, shown, images.labels, norm="l2", eps=1.0, random_start=False).success
        for one in (model, Faint().eval())
    )
    assert faint.float().mean() >= found.float().mean() - 0.1 > 0


def test_faults_have_names():
    assert FAULTS[0] == ""
    assert len(set(FAULTS)) == len(FAULTS)
