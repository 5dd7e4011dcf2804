"""What a prediction costs."""

import pytest
import torch
from torch import nn

from robust.adapt import Tent
from robust.measure import prediction_cost
from robust.models import ConvNet

MIB = 2**20


class Steps(nn.Module):
    """Makes `count` tensors as large as its images, one after the other; holds all of them, or the last two."""

    def __init__(self, count: int, *, hold: bool):
        super().__init__()
        self.count, self.hold, self.weight = count, hold, nn.Parameter(torch.ones(1000, 1000))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        held = [images]
        for _ in range(self.count):
            held.append(held[-1] + 1)
            held = held if self.hold else held[-1:]
        return held[-1].flatten(1)[:, :2]


@pytest.mark.parametrize(("model", "tensors"), [(Steps(5, hold=True), 5), (Steps(5, hold=False), 2)])
def test_memory_is_that_of_the_tensors_held_at_once(model: nn.Module, tensors: int) -> None:
    images = torch.rand(16, 1, 128, 128)
    cost = prediction_cost(model, images)
    assert cost["bytes"] == tensors * 128 * 128 * 4, "for each image, without images and weights"
    assert cost["images"] == 16
    assert (cost["device"], cost["threads"]) == ("cpu", torch.get_num_threads())


def test_what_adapts_costs_more_time_and_memory() -> None:
    torch.manual_seed(0)
    about = {"image_shape": (1, 16, 16), "num_classes": 4}
    network = ConvNet(units=[8, 8, 8], kernel_size=3, padding=1, pool_every=3, **about).eval()
    images = torch.rand(64, 1, 16, 16)
    plain = prediction_cost(network, images)
    tent = prediction_cost(Tent(network=network, **about), images)
    assert tent["bytes"] > 1.5 * plain["bytes"], "what the backward pass needs is held"
    assert 0 < plain["seconds"] < tent["seconds"]
