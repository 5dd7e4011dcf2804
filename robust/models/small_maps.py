"""Convolutions of maps that are hardly larger than their kernel."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_POSITIONS = 4  # of a result, at most: 2x2
_IMAGES = 16  # at least: the kernel is read once for all of them

Window = tuple[slice, slice]
Slices = tuple[slice, ...]


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
        return 1 <= positions <= _POSITIONS


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
