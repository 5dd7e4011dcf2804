"""Test-time adaptation against its own passes."""

import copy
import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.pairs import Result, at_most, in_turn
from robust.adapt import BatchStatistics, Tent
from robust.models import ResNet

_SHAPE, _CLASSES, _BATCH, _ROUNDS = (3, 32, 32), 10, 200, 15


def bench_adapting() -> Iterator[Result]:
    """The ratio of the time of ours to that of the passes that it needs, written barely in torch, for a batch."""
    torch.manual_seed(0)
    network = ResNet(image_shape=_SHAPE, num_classes=_CLASSES, depth=18, width=16)
    images = torch.rand(_BATCH, *_SHAPE)
    for kind, bare, passes in ((BatchStatistics, _forward, "forward"), (Tent, _step, "forward, backward and a step")):
        ours = kind(network=copy.deepcopy(network).eval(), image_shape=_SHAPE, num_classes=_CLASSES)
        theirs = bare(copy.deepcopy(network).train())
        times = in_turn([functools.partial(one, images) for one in (ours, theirs)], rounds=_ROUNDS)
        subject = f"{kind.__name__}, {_BATCH} images of 32x32, ResNet-18 of width 16"
        yield at_most(subject, f"torch: {passes} in train mode", times[:, 0] / times[:, 1], 1.2)


def _forward(network: nn.Module) -> nn.Module:
    return network.requires_grad_(False)


def _step(network: nn.Module) -> nn.Module:
    """A step of Adam of the norms' scales and shifts, towards less entropy, with each pass."""
    network.requires_grad_(False)
    layers = (layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    weights = [weight.requires_grad_(True) for layer in layers for weight in layer.parameters()]
    optimizer = torch.optim.Adam(weights)

    def step(_: nn.Module, __: object, logits: Tensor) -> None:
        shares = logits.log_softmax(1)
        (-(shares.exp() * shares).sum(1).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()

    network.register_forward_hook(step)
    return network
