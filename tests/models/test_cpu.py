"""What a fast path for CPUs computes is what PyTorch computes."""

import platform
import resource

import pytest
import torch
from torch import Tensor, nn

from robust.models.cpu import ImageGradient, LocalResponseNorm, keep_memory, max_pool, multiply_small_maps, using


def _results(convolution: nn.Module, maps: Tensor) -> list[Tensor]:
    """Its result, the gradients, and the gradients of their size."""
    maps = maps.clone().requires_grad_()
    learnt = (maps, *convolution.parameters())
    result = convolution(maps)
    first = torch.autograd.grad(result.square().sum(), learnt, create_graph=True)
    second = torch.autograd.grad(sum(one.square().sum() for one in first), learnt)
    return [result, *first, *second]


def _is_taken(module: nn.Module, images: Tensor) -> bool:
    """Whether another function than PyTorch's is at work, and is not where the fast paths are switched off."""
    images = images.clone().requires_grad_()
    usual = module(images).grad_fn
    with using():
        return type(module(images).grad_fn) is not type(usual)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="without glibc memory is kept as its library does")
def test_memory_that_is_freed_is_not_asked_for_again() -> None:
    keep_memory()
    faults = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(1 << 24).add_(1)  # 64 MB, soon freed
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults) < (1 << 26) / resource.getpagesize() / 100  # the first are new pages


def test_a_path_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`paths` must be among max_pool, .*; got turbo"), using("max_pool", "turbo"):
        pass


def test_each_path_is_taken_alone_and_all_are_again_afterwards() -> None:
    torch.manual_seed(0)
    small = nn.Conv2d(5, 5, 3, padding=1, bias=False)
    multiply_small_maps(small)
    first = nn.Conv2d(3, 4, 3)
    images, maps = torch.rand(16, 3, 8, 8, requires_grad=True), torch.rand(16, 5, 2, 2, requires_grad=True)

    def functions() -> dict[str, object]:
        with ImageGradient():
            image_gradient = first(images).grad_fn
        return {
            "image_gradient": type(image_gradient),
            "local_response_norm": type(LocalResponseNorm(5, beta=0.75)(maps).grad_fn),
            "small_maps": type(small(maps).grad_fn)
            if small.bias is None
            else type(small(maps).grad_fn.next_functions[0][0]),
        }

    every = functions()
    with using():
        plain = functions()
    assert all(every[path] is not plain[path] for path in every)
    for path in every:
        with using(path):
            assert functions() == {**plain, path: every[path]}
    assert functions() == every


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
    assert _is_taken(convolution, maps) == (size != (8, 8))
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
        assert _is_taken(convolution, maps)
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


@pytest.mark.parametrize("shape", [(3, 4, 8, 8), (2, 1, 7, 9), (1, 2, 2, 3), (1, 2, 1, 5), (0, 2, 4, 4)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_pooling_without_gradients_gives_pytorchs_values(
    shape: tuple[int, ...], memory_format: torch.memory_format
) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(memory_format=memory_format)
    maps[:1, 0, 0, 0] = torch.nan
    window = min(2, shape[2]), 2
    with torch.inference_mode():
        torch.testing.assert_close(max_pool(maps, window), nn.functional.max_pool2d(maps, window), equal_nan=True)
    pooled = max_pool(maps.requires_grad_(), window)
    assert pooled.requires_grad


@pytest.mark.parametrize("channels", [3, 16, 64])
def test_the_norm_is_pytorchs(channels: int) -> None:
    images = torch.rand(2, channels, 9, 9, generator=torch.Generator().manual_seed(0)) * 100
    ours, theirs = LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=2.0), torch.nn.LocalResponseNorm(5, 1e-2, 0.75, 2.0)
    torch.testing.assert_close(ours(images), theirs(images))
    gradients = []
    for norm in (ours, theirs):
        given = images.clone().requires_grad_(True)
        (norm(given) * torch.linspace(-1, 1, images.numel()).view_as(images)).sum().backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("channels", "window"),
    [
        (1, {"kernel_size": 7, "stride": 3}),
        (3, {"kernel_size": 3, "padding": 1}),
        (3, {"kernel_size": (3, 5), "stride": 2, "padding": (2, 1), "dilation": (1, 2)}),
        (3, {"kernel_size": 3, "padding": "same"}),
        (4, {"kernel_size": 3, "groups": 2}),
        (3, {"kernel_size": 7}),
        (4, {"kernel_size": (6, 8), "padding": (2, 3)}),
        (3, {"kernel_size": 8, "padding": 1, "stride": (1, 2)}),
        (8, {"kernel_size": 3}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_gradient_toward_images_is_pytorchs(channels: int, window: dict[str, object], bias: bool) -> None:
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


def test_without_gradients_nothing_of_images_is_kept() -> None:
    network = nn.Conv2d(1, 2, 3)
    with ImageGradient(), torch.no_grad():
        assert network(torch.rand(2, 1, 8, 8, requires_grad=True)).grad_fn is None
