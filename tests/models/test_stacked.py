"""Networks that compute together are the networks that they are alone."""

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from robust.models import ConvNet, FastNet, ResNet
from robust.models.cpu import using
from robust.models.stacked import stack

SHAPE, CLASSES, BATCH, STEPS = (1, 12, 12), 4, 20, 3


def three(kind: type[nn.Module], **settings: Any) -> list[nn.Module]:
    torch.manual_seed(0)
    return [kind(image_shape=SHAPE, num_classes=CLASSES, **settings).double() for _ in range(3)]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (ConvNet, {"units": [4, 6], "kernel_size": 3, "pool_every": 2, "dropout": 0, "head": [8]}),
        (ConvNet, {"units": [3], "kernel_size": 5, "stride": 2, "batch_norm": False, "dropout": 0}),
        (ResNet, {"width": 2, "squeeze": True}),
    ],
)
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, lambda some: torch.optim.SGD(some, lr=0.1, momentum=0.9)])
def test_steps_are_bit_for_bit_those_of_each_alone(kind: Any, settings: dict[str, Any], optimizer: Any) -> None:
    same = torch.equal if kind is ConvNet else functools.partial(torch.allclose, rtol=1e-9, atol=1e-12)
    networks = three(kind, **settings)
    for place, network in enumerate(networks):
        network.standardize.fit([torch.rand(20, *SHAPE) / (place + 1)])  # type: ignore[operator, union-attr]
    stacked = stack(networks)
    images, labels = torch.rand(STEPS, BATCH, 3, *SHAPE).double(), torch.arange(BATCH) % CLASSES
    together, alone = optimizer(stacked.parameters()), [optimizer(one.parameters()) for one in networks]
    for step in range(STEPS):
        logits = stacked(images[step].flatten(1, 2)).unflatten(1, (3, CLASSES))
        losses = functional.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(3), reduction="none").view(
            BATCH, 3
        )
        together.zero_grad()
        losses.mean(0).sum().backward()
        together.step()
        for place, network in enumerate(networks):
            with using():
                own = network(images[step, :, place])
                assert same(own, logits[:, place])
                alone[place].zero_grad()
                functional.cross_entropy(own, labels).backward()
            alone[place].step()
    for place, network in enumerate(networks):
        assert all(same(value, stacked.state_dict()[name][place]) for name, value in network.state_dict().items())
        with torch.no_grad(), using():
            mine = stacked.eval()(images[0].flatten(1, 2)).unflatten(1, (3, CLASSES))[:, place]
            assert same(mine, network.eval()(images[0, :, place]))


def test_what_is_frozen_stays_and_other_networks_are_refused() -> None:
    networks = three(ConvNet, units=[3], kernel_size=3)
    networks[0].features.requires_grad_(False)  # type: ignore[union-attr]
    assert [name for name, one in stack(networks).named_parameters() if one.requires_grad] == [
        "head.0.weight",
        "head.0.bias",
    ]
    with pytest.raises(ValueError, match="`networks` must be all ConvNet, or all ResNet"):
        stack(three(FastNet, widths=[8], standardize="channel"))
