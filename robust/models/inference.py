"""Networks at inference: in eval mode, on their device, with folded norms."""

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from robust.models.convnet import ConvNet
from robust.models.resnet import ResNet
from robust.models.siamese import trunk_of


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode for the while; each part then has its own mode again."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def device_of(model: nn.Module) -> torch.device:
    """Where a model computes: on the CPU, if it has no parameters."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def folded(network: nn.Module) -> nn.Module:
    """A network for tests alone, a third (`ConvNet`) or a fifth (`ResNet`) faster, also within a `Siamese`: a copy
    in eval mode whose batch norms are folded into the convolutions before them, its logits the same up to rounding; any
    other network itself."""
    if not isinstance(trunk_of(network), ConvNet | ResNet):
        return network
    network = copy.deepcopy(network).eval()
    _fold(network)
    return network.eval()  # what took the norms' places too


def _fold(part: nn.Module) -> None:
    """In these networks a batch norm stands right behind the convolution that it follows."""
    before = "", part
    for name, layer in part.named_children():
        holder, place = (layer, "0") if isinstance(layer, nn.Sequential) else (part, name)  # 0: squeezed behind it
        norm = getattr(holder, place, None)
        if isinstance(norm, nn.BatchNorm2d) and isinstance(before[1], nn.Conv2d):
            setattr(part, before[0], fuse_conv_bn_eval(before[1], norm))
            setattr(holder, place, nn.Identity())
        elif isinstance(layer, nn.ReLU):
            layer.inplace = True
        else:
            _fold(layer)
        before = name, layer
