"""Attacks of other libraries: their images and predictions as ours, their faults explained."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from robust.attack import ANY, FAULTS, AttackPlan, Budget, fgsm, pgd
from robust.attack.libraries import foolbox, torchattacks
from robust.data import ImageSet

pytest.importorskip("foolbox", reason="foolbox is not installed")
eagerpy, foolbox_attacks = pytest.importorskip("eagerpy"), pytest.importorskip("foolbox.attacks")


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 4)).eval()
    images = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model, images, model(images).argmax(1)


def rate(found):
    return found.success.float().mean().item()


def test_an_attack_of_foolbox_by_its_name(task):
    model, images, labels = task
    theirs = foolbox(model, images, labels, method="LinfFastGradientAttack", eps=0.05, options={"random_start": False})
    ours = fgsm(model, images, labels, eps=0.05)
    assert torch.equal(theirs.success, ours.success)
    torch.testing.assert_close(theirs.images[ours.success], ours.images[ours.success])
    assert torch.equal(theirs.before, ours.before)
    assert theirs.queries.min() > 0
    assert 0.1 < rate(theirs) < 1
    parts = foolbox(
        model, images, labels, method="LinfFastGradientAttack", eps=0.05, options={"random_start": False}, batch_size=7
    )
    torch.testing.assert_close(parts.images, theirs.images)


def test_however_far_it_takes(task):
    model, images, labels = task
    found = foolbox(model, images, labels, method="LinfDeepFoolAttack")
    assert rate(found) > 0.95


def test_toward_a_class(task):
    model, images, labels = task
    targets = (labels + 1) % 4
    found = foolbox(model, images, targets, method="LinfPGD", eps=0.1, targeted=True)
    assert torch.equal(found.success[:, 0], found.after[:, 0] == targets)
    assert rate(found) > 0.1


def test_it_is_an_attack_like_the_others(task):
    model, images, labels = task
    pixels = ImageSet((images * 255).to(torch.uint8), labels, ("a", "b", "c", "d"))
    one = AttackPlan(
        name="foolbox", search="robust.attack.libraries.foolbox", method="LinfPGD", eps="8/255", options={"steps": 3}
    )
    one.check(model, pixels)
    table = one.attack(model, pixels, (int(labels[0]), ANY))
    assert table["linf"].max() <= 8 / 255 + 1e-6
    assert '"eps": 0.03137' in table["settings"].iloc[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "Magic"}, r"`attack.method` must be an attack of foolbox: .*LinfPGD.*; got Magic"),
        (
            {"method": "LinfPGD", "options": {"power": 3}},
            r"must be those of foolbox's LinfPGD; got {'power': 3} \(.*power",
        ),
    ],
)
def test_what_the_library_does_not_have_is_named(task, options, message):
    model, images, labels = task
    with pytest.raises(ValueError, match=message):
        foolbox(model, images[:0], labels[:0], **options)


def test_a_library_that_is_not_there_is_named(task, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchattacks", None)
    model, images, labels = task
    with pytest.raises(ValueError, match=r"`attack=torchattacks` needs the package torchattacks .*pip install torcha"):
        torchattacks(model, images, labels, method="PGD")


def test_an_attack_of_torchattacks_by_its_name(task):
    pytest.importorskip("torchattacks", reason="torchattacks is not installed")
    model, images, labels = task
    theirs = torchattacks(model, images, labels, method="PGD", options={"eps": 0.05, "alpha": 0.0125, "steps": 20})
    ours = pgd(model, images, labels, eps=0.05, step=0.0125, steps=20)
    assert rate(theirs) == pytest.approx(rate(ours), abs=0.03)
    strongest = torchattacks(model, images, labels, method="AutoAttack", options={"eps": 0.05, "norm": "Linf"})
    assert rate(strongest) >= rate(ours) - 0.03
    targets = (labels + 1) % 4
    led = torchattacks(model, images, targets, method="PGD", options={"eps": 0.1, "steps": 20}, targeted=True)
    assert torch.equal(led.success[:, 0], led.after[:, 0] == targets)
    assert rate(led) > 0.1


class Cliff(nn.Module):
    """Says 1 of what is nearly black, else 0, and has no gradient: nothing to follow."""

    def forward(self, images):
        dark = (images.mean((1, 2, 3)) < 0.01).float()
        return torch.stack([1 - dark, dark], dim=1) + 0 * images.flatten(1).sum(1, keepdim=True)


def test_where_a_search_starts_from_black_and_finds_nothing_black_is_no_success():
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1)).clamp(min=0.2)
    options = {"steps": 2, "binary_search_steps": 1}
    with pytest.warns(UserWarning, match=r"L2Carlini.*: 6 of 6 images are not taken \(6 no result\); they"):
        found = foolbox(Cliff().eval(), images, torch.zeros(6).long(), method="L2CarliniWagnerAttack", options=options)
    assert not found.success.any()
    assert torch.equal(found.images[:, 0], images)
    assert [FAULTS[fault] for fault in found.faults[:, 0]] == ["no result"] * 6


class Stubborn(nn.Module):
    """Says 1 of all but what is dark on the left; of images with a white corner always 0, whatever else they show."""

    def forward(self, images):
        dark = images[:, 0, :, :2].mean((1, 2)) < 0.5
        zero = dark | (images[:, 0, 0, 3] == 1)
        return torch.stack([zero.float(), (~zero).float()], dim=1) + 0 * images.flatten(1).sum(1, keepdim=True)


class Bright(foolbox_attacks.base.MinimizationAttack):
    """Starts from white, where a corner is not white yet: an image that is changed there was another."""

    distance = None

    def run(self, model, images, criterion, **_):
        white = torch.where(images.raw[:, :, :1, 3:] == 1, images.raw, torch.full_like(images.raw, 0.9))
        return eagerpy.astensor(white)


def test_an_image_without_a_place_to_start_does_not_end_the_attack_on_the_others():
    images = torch.full((6, 1, 4, 4), 0.3)
    images[3, 0, 0, 3] = 1
    with pytest.warns(UserWarning, match=r"BoundaryAttack: 1 of 6 images are not taken \(1 no result\)"):
        found = foolbox(
            Stubborn().eval(),
            images,
            torch.zeros(6).long(),
            method="BoundaryAttack",
            options={"steps": 3, "init_attack": Bright()},
        )
    assert found.success[:, 0].tolist() == [True, True, True, False, True, True]
    assert torch.equal(found.images[3, 0], images[3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "GenAttack", "eps": 0.1},
            r"`attack.method=GenAttack` cannot be made.*unsupported criterion.*attack.targeted",
        ),
        ({"method": "DatasetAttack"}, r"`attack.method=DatasetAttack` cannot be made.*feed\(\)"),
        ({"method": "LinfPGD", "eps": None}, "`attack.method=LinfPGD` cannot be made.*None in epsilons"),
        (
            {"method": "GaussianBlurAttack", "eps": 0.1},
            "`attack.options.distance` must be l0, l1, l2 or linf with",
        ),
        ({"method": "L2BrendelBethgeAttack"}, "needs the package numba.*pip install numba"),
        ({"method": "MinimizationAttack"}, "`attack.method` must be an attack of foolbox"),
    ],
)
def test_what_an_attack_needs_is_said_before_training(task, options, message):
    model, images, labels = task
    if options["method"] == "L2BrendelBethgeAttack" and importlib.util.find_spec("numba"):
        pytest.skip("numba is installed")
    pixels = ImageSet((images * 255).to(torch.uint8), labels, ("a", "b", "c", "d"))
    one = AttackPlan(name="foolbox", search="robust.attack.libraries.foolbox", **options)
    with pytest.raises(ValueError, match=message):
        one.check(model, pixels)


@pytest.mark.parametrize("method", ["BoundaryAttack", "GaussianBlurAttack", "L1FMNAttack", "LinfDeepFoolAttack"])
def test_what_only_takes_long_or_finds_no_start_passes_that_check(task, method):
    model, images, labels = task
    pixels = ImageSet((images * 255).to(torch.uint8), labels, ("a", "b", "c", "d"))
    AttackPlan(name="foolbox", search="robust.attack.libraries.foolbox", method=method).check(model, pixels)


@pytest.mark.parametrize(
    ("method", "eps", "norm"),
    [
        ("L0FMNAttack", 12, "l0"),
        ("L1FMNAttack", 9.5, "l1"),
        ("L1FastGradientAttack", 20.0, "l1"),
        ("L2FastGradientAttack", 2.0, "l2"),
        ("LInfFMNAttack", 0.2, "linf"),
    ],
)
@pytest.mark.filterwarnings("ignore:attack.method")
def test_eps_is_in_the_norm_of_the_attack(task, method, eps, norm):
    model, images, labels = task
    options = {"steps": 20} if "FMN" in method else {}
    found = foolbox(model, images[:10], labels[:10], method=method, eps=eps, options=options)
    moved = Budget(eps, norm).distance(images[:10], found.images[:, 0])
    assert moved.max() <= eps * 1.0001 + 1e-6
    assert moved.max() > 0
    with pytest.raises(ValueError, match=r"`attack.eps` must be from 0 to (64|8|1), since"):
        foolbox(model, images[:10], labels[:10], method=method, eps=65)


def test_a_library_leaves_weights_and_generators_as_they_were(task):
    model, images, labels = task
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    foolbox(model, images[:4], labels[:4], method="LinfPGD", eps=0.1, options={"steps": 2})
    assert (torch.rand(1), np.random.rand()) == expected
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
