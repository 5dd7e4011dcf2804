"""Convolutions of small maps are what PyTorch's are."""

from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from robust.models.small_maps import _Products, multiply_small_maps


def _results(convolution: nn.Module, maps: Tensor) -> list[Tensor]:
    """Its result, the gradients, and the gradients of their size."""
    maps = maps.clone().requires_grad_()
    learnt = (maps, *convolution.parameters())
    result = convolution(maps)
    first = torch.autograd.grad(result.square().sum(), learnt, create_graph=True)
    second = torch.autograd.grad(sum(one.square().sum() for one in first), learnt)
    return [result, *first, *second]


def _multiplies(convolution: nn.Module, maps: Tensor) -> bool:
    with mock.patch.object(_Products, "apply", side_effect=_Products.apply) as taken:
        convolution(maps)
    return taken.called


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels_last"])
@pytest.mark.parametrize(
    ("size", "window"),
    [
        ((2, 2), {"padding": 1}),
        ((1, 1), {"padding": 1}),
        ((4, 4), {"padding": 1, "stride": 2}),
        ((3, 4), {"padding": (1, 0), "stride": (2, 1)}),
        ((4, 3), {}),
        ((2, 2), {"padding": 1, "bias": True}),
        ((8, 8), {"padding": 1}),  # too large: as PyTorch does it
    ],
)
def test_results_and_gradients_of_every_order_are_pytorchs(
    size: tuple[int, int], window: dict[str, int], memory: torch.memory_format
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(5, 7, 3, **{"bias": False, **window}).double().to(memory_format=memory)
    maps = torch.randn(16, 5, *size, dtype=torch.float64).contiguous(memory_format=memory)
    expected = _results(convolution, maps)
    multiply_small_maps(convolution)
    assert type(convolution) is not nn.Conv2d
    assert _multiplies(convolution, maps) == (size != (8, 8))
    for ours, theirs in zip(_results(convolution, maps), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("bias", [False, True])
def test_half_precision_is_as_precise_as_pytorchs(bias: bool) -> None:
    torch.manual_seed(0)
    convolution, maps = nn.Conv2d(64, 64, 3, padding=1, bias=bias), torch.randn(32, 64, 2, 2)

    def in_half() -> list[Tensor]:
        own = maps.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            result = convolution(own)
        gradients = torch.autograd.grad(result.float().square().sum(), (own, *convolution.parameters()))
        return [result.detach(), *gradients]

    (exact,) = torch.autograd.grad(convolution(maps).square().sum(), convolution.weight)
    theirs = in_half()
    multiply_small_maps(convolution)
    with torch.autocast("cpu", torch.bfloat16):
        assert _multiplies(convolution, maps)
    ours = in_half()
    assert [one.dtype for one in ours] == [one.dtype for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.float(), other.float(), rtol=0.02, atol=0.02 * float(other.abs().max()))
    errors = [float((one[2] - exact).abs().mean()) for one in (ours, theirs)]
    assert errors[0] < 1.2 * errors[1]


def test_frozen_weights_get_no_gradient() -> None:
    convolution = nn.Conv2d(5, 7, 3, padding=1, bias=False).requires_grad_(False)
    multiply_small_maps(convolution)
    maps = torch.rand(16, 5, 2, 2, requires_grad=True)
    convolution(maps).sum().backward()
    assert maps.grad is not None
    assert convolution.weight.grad is None


@pytest.mark.parametrize("other", [{"groups": 5}, {"dilation": 2}, {"padding_mode": "reflect"}])
def test_what_is_no_plain_convolution_is_left_alone(other: dict[str, object]) -> None:
    convolution = nn.Conv2d(5, 5, 3, **{"bias": False, "padding": 1, **other})  # type: ignore[arg-type]
    multiply_small_maps(convolution)
    assert type(convolution) is nn.Conv2d
