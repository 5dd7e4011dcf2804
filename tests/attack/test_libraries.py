"""Attacks of other libraries: their images and verdicts as ours, their faults explained."""

import pytest
import torch
from torch import nn

from robust.attack import ANY, Assault, fgsm, pgd
from robust.attack.libraries import foolbox, torchattacks
from robust.data import ImageSet

pytest.importorskip("foolbox", reason="foolbox is not installed")


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
    one = Assault(
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
