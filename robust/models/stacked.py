"""Many networks of one architecture as one, which computes each layer of all of them at once."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.errors import check
from robust.models.convnet import ConvNet
from robust.models.resnet import ResNet
from robust.models.standardize import Standardize

#: networks in which maps only stand beside maps, and no layer mixes them but those below
STACKABLE = (ConvNet, ResNet)


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """Networks of one architecture, each with weights of its own, as one: from images of shape (batch, networks *
    channels, height, width), those of each network beside the next's, to logits of shape (batch, networks * classes).

    Its weights are called as the networks' are, and have a first axis for these: a state of the stack holds at `[i]`
    that of network i. Grouped convolutions, batch norms of all maps and batched products of matrices give each network
    what it alone would have: in float64 on a CPU bit for bit, gradients too. Dropout draws for all of them together.
    Raises ValueError for networks that are not `STACKABLE`. Source: Wang et al. 2021 (arXiv 2102.02344).
    """
    kinds = {type(one) for one in networks}
    check(
        "networks", [kind.__name__ for kind in kinds], "all ConvNet, or all ResNet", kinds in [{x} for x in STACKABLE]
    )
    stacked = copy.deepcopy(networks[0])
    for layer, *alike in zip(stacked.modules(), *(one.modules() for one in networks), strict=True):
        for name, own in layer.named_parameters(recurse=False):
            values = torch.stack([getattr(one, name).detach() for one in alike])
            setattr(layer, name, nn.Parameter(values, requires_grad=own.requires_grad))
        for name, _ in layer.named_buffers(recurse=False):
            setattr(layer, name, torch.stack([getattr(one, name) for one in alike]))
        if kind := next((kind for base, kind in _LAYERS.items() if isinstance(layer, base)), None):
            layer.__class__ = kind  # holds what it held
    return stacked


def stack_states(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The state of a stack of networks with these."""
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def state_of(stacked: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
    """A copy of the state of the network at a place of a stack."""
    return {name: value[place].clone() for name, value in stacked.items()}


class _Conv2d(nn.Conv2d):
    def forward(self, maps: Tensor) -> Tensor:
        groups = len(self.weight) * self.groups
        weight, bias = self.weight.flatten(0, 1), _flat(self.bias)
        return functional.conv2d(maps, weight, bias, self.stride, self.padding, self.dilation, groups)


class _BatchNorm2d(nn.BatchNorm2d):
    def forward(self, maps: Tensor) -> Tensor:
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        mean, variance, weight, bias = map(_flat, (self.running_mean, self.running_var, self.weight, self.bias))
        momentum = self.momentum or 0.0
        return functional.batch_norm(maps, mean, variance, weight, bias, self.training, momentum, self.eps)


class _Standardize(Standardize):
    def forward(self, images: Tensor) -> Tensor:
        return images if self.per == "none" else (images - self.mean.flatten(0, 1)) * self.scale.flatten(0, 1)


class _Linear(nn.Linear):
    def forward(self, features: Tensor) -> Tensor:
        own = [features.unflatten(1, (len(self.weight), -1)).transpose(0, 1), self.weight, self.bias]
        if torch.is_autocast_enabled(features.device.type):
            own = [one.to(torch.get_autocast_dtype(features.device.type)) for one in own]
        return _Products.apply(*own).transpose(0, 1).flatten(1)


class _Products(torch.autograd.Function):
    """Features f, weights w and a bias b each, to f w^T + b; with the gradients in the order of a linear layer alone:
    PyTorch's of a batched product add up a weight's in another one."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        return torch.baddbmm(bias[:, None], features, weight.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (features, weight), gradient = ctx.saved_tensors, gradients[0].contiguous()
        return gradient @ weight, gradient.mT @ features, gradient.sum(1)


_LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: _Conv2d,
    nn.BatchNorm2d: _BatchNorm2d,
    Standardize: _Standardize,
    nn.Linear: _Linear,
}


def _flat(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.flatten()
