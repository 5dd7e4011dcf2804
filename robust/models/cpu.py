"""Every fast path for CPUs: what PyTorch computes, computed faster.

None of them changes a result (beyond rounding), a gradient, or what is saved of a network. `with using(): ...` computes
as PyTorch does, `with using("max_pool"): ...` takes that path alone.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: the fast paths: `max_pool`, `LocalResponseNorm`, `multiply_small_maps`, `ImageGradient`
PATHS = ("max_pool", "local_response_norm", "small_maps", "image_gradient")
_used: ContextVar[tuple[str, ...]] = ContextVar("paths", default=PATHS)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
_NEVER, _BYTES = -1, 1 << 30

Window = tuple[slice, slice]
Slices = tuple[slice, ...]


@contextlib.contextmanager
def using(*paths: str) -> Iterator[None]:
    """Within it, of the fast paths only these are taken, in this thread. Raises ValueError for one that there is
    not."""
    if unknown := [path for path in paths if path not in PATHS]:
        raise ValueError(f"`paths` must be among {', '.join(PATHS)}; got {', '.join(unknown)}.")
    token = _used.set(paths)
    try:
        yield
    finally:
        _used.reset(token)


def _uses(path: str) -> bool:
    return path in _used.get()


@functools.cache
def keep_memory() -> None:
    """Has glibc keep what this process frees, of up to 1 GiB at once, for what it allocates next. By itself it gives
    back what is larger than a few MB, as the maps of a batch are, and the kernel clears it again page by page: a third
    to a half of a training step, and more than half of a test, of `FastNet` with a quarter of its widths. The most
    memory that a process takes stays the same; it falls less afterwards. Without glibc nothing is done."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _BYTES)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def max_pool(maps: Tensor, window: tuple[int, int]) -> Tensor:
    """`functional.max_pool2d`: maps of shape (batch, channels, height, width), windows beside one another.

    Where no gradient is wanted, the maximum of strided views: of windows of 2 x 2 ten times as fast, and most of the
    time that testing a small network takes.
    """
    taken = window == (2, 2) and maps.device.type == "cpu" and not torch.is_grad_enabled() and _uses("max_pool")
    if not taken:
        return functional.max_pool2d(maps, window)
    height, width = (size // 2 * 2 for size in maps.shape[-2:])
    rows = torch.maximum(maps[..., :height:2, :width], maps[..., 1:height:2, :width])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


class LocalResponseNorm(nn.LocalResponseNorm):
    """PyTorch's, for an odd size and beta 0.75: the same values, several times as fast on a CPU, where it would take
    more than half of the time that an `AlexNet` trains."""

    def forward(self, images: Tensor) -> Tensor:
        if not _uses("local_response_norm"):
            return super().forward(images)
        assert self.size % 2 == 1
        assert self.beta == 0.75
        return _Normed.apply(images, self.size, self.alpha, self.k)


class _Normed(torch.autograd.Function):
    """x s^-3/4 with s = k + alpha / size W x^2: the sum W over neighbouring channels is a convolution, the power two
    square roots. Its gradient in few passes over memory, which is what it costs."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, size: int, alpha: float, k: float) -> Tensor:
        channels = torch.arange(images.shape[1], device=images.device)
        near = (channels[:, None] - channels).abs() <= size // 2
        weight = near.to(images)[:, :, None, None] * (alpha / size)
        total = functional.conv2d(images.square(), weight, images.new_full((len(weight),), k))
        scale = total.rsqrt().mul_(total.sqrt().rsqrt_())
        ctx.save_for_backward(images, total, scale, weight)
        return images * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        images, total, scale, weight = ctx.saved_tensors
        result = gradients[0] * scale
        spread = functional.conv2d((result * images).div_(total), weight)
        return torch.addcmul(result, images, spread, value=-1.5), None, None, None


_FEW = 4  # channels: those of a picture
_PART = 16  # images whose columns stay in the cache
_LARGE = 128  # weights of a kernel: with as many or more, its columns do not


class ImageGradient(TorchFunctionMode):
    """Within it, networks are asked for gradients with respect to images alone; weights get none in a convolution of
    images.

    oneDNN, which convolves on CPUs, is slow to go back to inputs of few channels. Here that is a product of matrices
    and `fold`, 2 to 6 times as fast; where the kernel is large, a convolution along the rows, 1.4 times as fast.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and _is_of_images(*args):
            return _ImageConvolution.apply(*args[:6])
        return func(*args, **(kwargs or {}))


def _is_of_images(images: Tensor, weight: Tensor, _: Tensor | None, *window: Any) -> bool:
    *sizes, groups = window
    plain = all(isinstance(one, tuple) for one in sizes) and groups == 1
    few = images.device.type == "cpu" and images.dim() == 4 and images.shape[1] <= _FEW
    wanted = images.requires_grad and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    return plain and few and wanted and images.dtype == weight.dtype and _uses("image_gradient")


class _ImageConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.window, ctx.size = window, images.shape[2:]
        return torch.conv2d(images, weight, bias, *window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,), (stride, padding, dilation) = ctx.saved_tensors, ctx.window
        if weight[0].numel() >= _LARGE and (*stride, *dilation) == (1, 1, 1, 1):
            return _back_by_rows(gradient, weight, padding, ctx.size), None, None, None, None, None
        back, kernel = weight.flatten(1).t(), weight.shape[2:]
        parts = [
            functional.fold(back @ part.flatten(2), ctx.size, kernel, dilation=dilation, padding=padding, stride=stride)
            for part in gradient.split(_PART)
        ]
        return torch.cat(parts), None, None, None, None, None


def _back_by_rows(gradient: Tensor, weight: Tensor, padding: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """From the gradient of a convolution in steps of one pixel to that of its images: every row of the kernel is an
    output channel of a convolution along the rows, and their results are added one row lower each."""
    outputs, inputs, height, width = weight.shape
    by_rows = weight.permute(1, 2, 0, 3).reshape(inputs * height, outputs, 1, width).flip(3)
    rows = functional.conv2d(gradient, by_rows, padding=(0, width - 1)).unflatten(1, (inputs, height))
    (above, beside), count = padding, rows.shape[3]
    padded = rows.new_zeros(len(rows), inputs, count + height - 1, rows.shape[4])
    for row in range(height):
        padded[:, :, row : row + count] += rows[:, :, row]
    return padded[:, :, above : above + size[0], beside : beside + size[1]]


_POSITIONS = 4  # of a result, at most: 2x2
_IMAGES = 16  # at least: the kernel is read once for all of them


def multiply_small_maps(network: nn.Module) -> None:
    """Has the convolutions of a network be products of matrices where they come down to maps of at most 2x2 on a CPU:
    4 times as fast as oneDNN's, which mostly multiplies by padding. Weights and results stay what they are.
    (`torch.func` maps over PyTorch's convolutions, not over these.)"""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = _SmallMapConv2d  # holds what it held, and is saved as it was


def _is_plain(convolution: nn.Conv2d) -> bool:
    only = (convolution.groups, convolution.dilation, convolution.padding_mode)
    return only == (1, (1, 1), "zeros") and convolution.kernel_size > (1, 1)


class _SmallMapConv2d(nn.Conv2d):
    """PyTorch's, without groups and dilation."""

    def forward(self, maps: Tensor) -> Tensor:
        if not self._pays(maps):
            return super().forward(maps)
        weight = self.weight
        if torch.is_autocast_enabled("cpu") and maps.dtype != torch.float64:
            maps, weight = (one.to(torch.get_autocast_dtype("cpu")) for one in (maps, weight))
        found = _Products.apply(maps, weight, self.stride, self.padding)
        return found if self.bias is None else found + self.bias.to(found.dtype)[:, None, None]

    def _pays(self, maps: Tensor) -> bool:
        if maps.device.type != "cpu" or (maps.dtype != self.weight.dtype and not torch.is_autocast_enabled("cpu")):
            return False
        if maps.dim() != 4 or isinstance(self.padding, str) or torch.compiler.is_compiling() or len(maps) < _IMAGES:
            return False
        positions = 1
        for size, kernel, stride, padding in zip(
            maps.shape[2:], self.kernel_size, self.stride, self.padding, strict=True
        ):
            positions *= (size + 2 * padding - kernel) // stride + 1
        return 1 <= positions <= _POSITIONS and _uses("small_maps")


class _Products(torch.autograd.Function):
    """A convolution as one product of matrices for each position of its result, of the part of the kernel that lies
    on the map."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, *window: Any) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.window = window
        maps, weight = (one.permute(0, 2, 3, 1) for one in (maps, weight))
        rows, columns = _windows(maps, weight, *window)
        result = maps.new_empty(len(maps), len(rows), len(columns), len(weight))
        for row, column, on_map, of_kernel in _positions(rows, columns):
            result[:, row, column] = maps[on_map].flatten(1) @ weight[of_kernel].flatten(1).t()
        return result.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, gradient = (one.permute(0, 2, 3, 1) for one in (*ctx.saved_tensors, gradients[0]))
        sums = torch.promote_types(gradient.dtype, torch.float32)  # of several products: not in half precision
        of_maps = torch.zeros_like(maps, dtype=sums) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight, dtype=sums) if ctx.needs_input_grad[1] else None
        for row, column, on_map, of_kernel in _positions(*_windows(maps, weight, *ctx.window)):
            here = gradient[:, row, column]
            if of_maps is not None:
                part = of_maps[on_map]
                part += (here @ weight[of_kernel].flatten(1)).view_as(part)
            if of_weight is not None:
                part = of_weight[of_kernel]
                part += (here.t() @ maps[on_map].flatten(1)).view_as(part)
        found = (None if one is None else one.to(gradient.dtype).permute(0, 3, 1, 2) for one in (of_maps, of_weight))
        return *found, None, None


def _windows(
    maps: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[list[Window], list[Window]]:
    """For each row, and for each column, of the result: where the kernel lies on the map, and which part of it does."""
    rows, columns = (
        [
            (slice(max(first, 0), min(first + kernel, size)), slice(max(-first, 0), min(kernel, size - first)))
            for first in range(-around, size + around - kernel + 1, step)
        ]
        for size, kernel, step, around in zip(maps.shape[1:3], weight.shape[1:3], stride, padding, strict=True)
    )
    return rows, columns


def _positions(rows: list[Window], columns: list[Window]) -> Iterator[tuple[int, int, Slices, Slices]]:
    every = slice(None)
    for row, (map_rows, kernel_rows) in enumerate(rows):
        for column, (map_columns, kernel_columns) in enumerate(columns):
            yield row, column, (every, map_rows, map_columns), (every, kernel_rows, kernel_columns)
