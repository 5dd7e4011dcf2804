"""The gradient with respect to images, on a CPU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_FEW = 4  # channels: those of a picture
_PART = 16  # images whose columns stay in the cache


class ImageGradient(TorchFunctionMode):
    """Within it, networks are asked for gradients with respect to images alone; weights get none in a convolution of
    images.

    oneDNN, which convolves on CPUs, is slow to go back to inputs of few channels. Here that is a product of matrices
    and `fold`, 2 to 6 times as fast.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and _is_of_images(*args):
            return _Convolution.apply(*args[:6])
        return func(*args, **(kwargs or {}))


def _is_of_images(images: Tensor, weight: Tensor, _: Tensor | None, *window: Any) -> bool:
    *sizes, groups = window
    plain = all(isinstance(one, tuple) for one in sizes) and groups == 1
    few = images.device.type == "cpu" and images.dim() == 4 and images.shape[1] <= _FEW
    wanted = images.requires_grad and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    return plain and few and wanted and images.dtype == weight.dtype


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.window, ctx.size = window, images.shape[2:]
        return torch.conv2d(images, weight, bias, *window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,), (stride, padding, dilation) = ctx.saved_tensors, ctx.window
        back, kernel = weight.flatten(1).t(), weight.shape[2:]
        parts = [
            functional.fold(back @ part.flatten(2), ctx.size, kernel, dilation=dilation, padding=padding, stride=stride)
            for part in gradient.split(_PART)
        ]
        return torch.cat(parts), None, None, None, None, None
