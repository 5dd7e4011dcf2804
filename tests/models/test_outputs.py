"""Networks of any make and precision are asked alike, or refused in a sentence."""

import copy
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from robust.attack import pgd
from robust.data import ImageSet, to_float
from robust.measure import Condition, measure
from robust.models import OutputError, ask, device_of, evaluating, said

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()


@pytest.fixture(scope="module")
def images(network: nn.Module) -> ImageSet:
    pixels = torch.randint(256, (40, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = network(to_float(pixels)).argmax(1)
    return ImageSet(pixels, torch.where(torch.arange(40) < 30, labels, (labels + 1) % 3), CLASSES)


@dataclass
class Answer:
    logits: torch.Tensor


Named = namedtuple("Named", ["logits", "features"])


class Wrapped(nn.Module):
    def __init__(self, network, wrap):
        super().__init__()
        self.network, self.wrap = network, wrap

    def forward(self, images):
        return self.wrap(self.network(images))


class Constant(nn.Module):
    """Without parameters; with a buffer, or not."""

    def __init__(self, network, *, buffers):
        super().__init__()
        weight = (network(torch.eye(16).view(16, 1, 4, 4)) - network(torch.zeros(1, 1, 4, 4))).detach()
        if buffers:
            self.register_buffer("weight", weight)
        else:
            self.weight = weight

    def forward(self, images):
        return images.flatten(1) @ self.weight


def exported(network):
    batch = torch.export.Dim("batch")
    return torch.export.export(network, (torch.rand(2, 1, 4, 4),), dynamic_shapes=({0: batch},)).module()


MAKES = {
    "traced": lambda network: torch.jit.trace(network, torch.rand(2, 1, 4, 4)),
    "frozen": lambda network: torch.jit.freeze(torch.jit.trace(network, torch.rand(2, 1, 4, 4))),
    "exported": exported,
    "within another": lambda network: nn.Sequential(exported(network)).requires_grad_(False),
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "DataParallel": nn.DataParallel,
    "dictionary": lambda network: Wrapped(network, lambda logits: {"loss": 0, "logits": logits}),
    "data class": lambda network: Wrapped(network, Answer),
    "named tuple": lambda network: Wrapped(network, lambda logits: Named(logits, None)),
    "in train mode": lambda network: copy.deepcopy(network).train(),
    "half": lambda network: copy.deepcopy(network).half(),
    "bfloat16": lambda network: copy.deepcopy(network).bfloat16(),
    "double": lambda network: copy.deepcopy(network).double(),
}


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_network_of_any_make_is_tested_and_attacked_like_the_plain_one(make, network, images):
    model = MAKES[make](copy.deepcopy(network))
    modes = [getattr(part, "training", False) for part in model.modules()]
    expected = measure(network, images, [Condition()], batch_size=16).rows["accuracy"][0]
    tolerance = 0.05 if make in ("half", "bfloat16") else 1e-9
    with torch.inference_mode():
        found = measure(model, images, [Condition()], batch_size=16).rows["accuracy"][0]
    assert found == pytest.approx(expected, abs=tolerance)
    assert [getattr(part, "training", False) for part in model.modules()] == modes
    if make == "in train mode":
        with pytest.raises(ValueError, match=r"Call model.eval\(\) first"):
            pgd(model, to_float(images.images), images.labels, steps=2)
        return
    if not make.startswith("exported") and make != "within another":
        model.eval()
    plain, other = (
        pgd(one, to_float(images.images), images.labels, eps=0.2, steps=4, batch_size=16).success.float().mean().item()
        for one in (network, model)
    )
    assert other == pytest.approx(plain, abs=max(tolerance, 0.03))


@pytest.mark.parametrize("buffers", [True, False])
def test_a_network_without_parameters_is_asked_where_it_is(buffers, network, images):
    model = Constant(network, buffers=buffers)
    assert device_of(model).type == "cpu"
    assert ask(model, to_float(images.images)).shape == (40, 3)
    assert pgd(model.eval(), to_float(images.images), images.labels, steps=2).success.any()


def test_logits_are_finite_whose_sum_is_not(network, images):
    shown = to_float(images.images)
    assert torch.equal(
        ask(Wrapped(network, lambda logits: logits.sign() * 3e38), shown).abs(), torch.full((40, 3), 3e38)
    )
    for value in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(OutputError, match=r"got (NaN|infinity) for image 7 and 32 more"):
            ask(Wrapped(network, lambda logits, value=value: logits.index_fill(0, torch.arange(7, 40), value)), shown)


REFUSED = {
    "a tuple": (lambda logits: (logits, logits), "hold it as `logits`; got tuple. Wrap the model"),
    "a list": (lambda logits: [logits], "hold it as `logits`; got list"),
    "nothing": (lambda _: None, "hold it as `logits`; got NoneType"),
    "an array": (lambda logits: logits.detach().numpy(), "hold it as `logits`; got ndarray"),
    "verdicts": (lambda logits: logits.argmax(1), r"got torch.int64 of shape \(7,\)"),
    "too few": (lambda logits: logits[:3], r"shape \(7, classes\) for 7 images; got torch.float32 of shape \(3, 3\)"),
    "maps": (lambda logits: logits[:, :, None], r"of shape \(7, 3, 1\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_gives_no_logits_is_refused_in_a_sentence(what, network, images):
    wrap, message = REFUSED[what]
    with pytest.raises(OutputError, match=message):
        measure(Wrapped(network, wrap), images[torch.arange(7)], [Condition()])
    with pytest.raises(OutputError, match=message):
        pgd(Wrapped(network, wrap).eval(), to_float(images.images[:7]), images.labels[:7], steps=1)


def test_a_network_of_other_images_or_on_no_device_is_refused_in_a_sentence(network):
    with pytest.raises(OutputError, match=r"cannot be called with images in \[0, 1\].*\(2, 3, 9, 9\) on cpu: Runtime"):
        said(network, torch.rand(2, 3, 9, 9))
    with pytest.raises(ValueError, match="it is on the `meta` device"):
        device_of(copy.deepcopy(network).to("meta"))
    with pytest.raises(OutputError, match="NotImplementedError"):
        said(nn.Module(), torch.rand(2, 3, 9, 9))


def test_another_number_of_classes_is_refused(network, images):
    few = ImageSet(images.images, images.labels.clamp(max=1), ("a", "b"))
    with pytest.raises(OutputError, match=r"logits of shape \(40, 2\), one for each image and class; got \(40, 3\)"):
        measure(network, few, [Condition()])


def test_each_part_has_its_own_mode_again_also_after_an_error(network):
    model = nn.Sequential(copy.deepcopy(network), nn.Dropout(), nn.BatchNorm1d(3)).train()
    model[2].eval()
    modes = [part.training for part in model.modules()]
    seen = []

    def fail():
        with evaluating(model):
            seen.extend(part.training for part in model.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not any(seen)
    assert [part.training for part in model.modules()] == modes


@pytest.mark.parametrize("kind", [np.int64, torch.tensor, np.uint8], ids=["numpy", "torch", "byte"])
def test_numbers_of_any_type_give_the_same_rows(kind, network, images):
    from robust.perturb import GaussianNoise

    conditions = [Condition(GaussianNoise(std=0.3))]
    expected = measure(network, images, conditions, trials=2, seed=3, batch_size=7).rows
    found = measure(network, images, conditions, trials=kind(2), seed=kind(3), batch_size=kind(7)).rows
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"trials": True}, {"seed": 1.5}, {"batch_size": 0}])
def test_what_is_no_whole_number_is_refused(wrong, network, images):
    from robust.perturb import GaussianNoise

    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number"):
        measure(network, images, [Condition(GaussianNoise(std=0.3))], **wrong)


def test_a_network_that_changes_its_images_spoils_none(network, images):
    class Hasty(nn.Module):
        def forward(self, shown):
            return network(shown.sub_(0.5).add_(0.5).mul_(1.0))

    expected = measure(network, images, [Condition()]).rows["accuracy"][0]
    assert measure(Hasty(), images, [Condition()]).rows["accuracy"][0] == pytest.approx(expected, abs=0.03)
    shown = to_float(images.images)
    with pytest.raises(OutputError, match=r"in.place"):
        pgd(Hasty().eval(), shown, images.labels, steps=2)
    with pytest.raises(OutputError, match="it changed them in place"):
        ask(Hasty(), shown.clone())
