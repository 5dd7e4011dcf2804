"""Gradients with respect to images are the same, whichever way they are computed."""

import pytest
import torch
from torch import nn

from robust.attack import ImageGradient


@pytest.mark.parametrize(
    ("channels", "window"),
    [
        (1, {"kernel_size": 7, "stride": 3}),
        (3, {"kernel_size": 3, "padding": 1}),
        (3, {"kernel_size": (3, 5), "stride": 2, "padding": (2, 1), "dilation": (1, 2)}),
        (3, {"kernel_size": 3, "padding": "same"}),
        (4, {"kernel_size": 3, "groups": 2}),
        (8, {"kernel_size": 3}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_gradient_is_that_of_pytorch(channels: int, window: dict[str, object], bias: bool) -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(channels, 8, bias=bias, **window)  # type: ignore[arg-type]
    network = nn.Sequential(first, nn.ReLU(), nn.Conv2d(8, 2, 3), nn.Flatten())
    network.double()
    images = torch.rand(37, channels, 17, 20, dtype=torch.float64, requires_grad=True)
    outputs = network(images)
    direction = torch.rand_like(outputs)
    (wanted,) = torch.autograd.grad(outputs, images, direction)
    with ImageGradient():
        found = network(images)
    assert torch.equal(found, outputs)
    torch.testing.assert_close(torch.autograd.grad(found, images, direction)[0], wanted)


def test_without_gradients_nothing_is_kept() -> None:
    network = nn.Conv2d(1, 2, 3)
    with ImageGradient(), torch.no_grad():
        assert network(torch.rand(2, 1, 8, 8, requires_grad=True)).grad_fn is None
