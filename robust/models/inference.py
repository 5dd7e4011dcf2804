"""Networks at inference: in eval mode, on their device, with folded norms."""

import contextlib
import copy
from collections.abc import Iterator
from itertools import chain

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from robust.models.convnet import ConvNet
from robust.models.resnet import ResNet


@contextlib.contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Whatever is done to a model inside, each part then has its own mode again, and each weight takes a gradient if it
    did."""
    modes = [(part, part.training) for part in model.modules() if hasattr(part, "training")]
    learning = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        yield
    finally:
        for part, training in modes:
            if part.training != training and _has_modes(part):
                part.train(training)  # what is within has its turn later
        for part, training in modes:
            part.training = training
        for weight, learns in learning:
            if weight.requires_grad != learns:
                weight.requires_grad_(learns)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode for the while (see `preserved`); one of `torch.export` stays in the mode that it was
    exported in."""
    with preserved(model):
        try:
            model.eval()
        except NotImplementedError:  # of a part that was exported
            for part in model.modules():
                part.training = False
        yield


def is_training(model: nn.Module) -> bool:
    """Whether a part of it is in train mode, which would then change from batch to batch."""
    within = {id(one) for part in model.modules() if "train" in vars(part) for one in part.modules()}
    return any(
        getattr(part, "training", False) and _has_modes(part) for part in model.modules() if id(part) not in within
    )


def _has_modes(part: nn.Module) -> bool:
    """Whether it can be put in train and eval mode: what `torch.export` made has a `train` that raises, also within
    another."""
    return not any("train" in vars(one) for one in part.modules())


def device_of(model: nn.Module) -> torch.device:
    """Where a model computes: on the CPU, if it holds no tensors. Raises ValueError for one on the `meta` device."""
    device = next((one.device for one in chain(model.parameters(), model.buffers())), torch.device("cpu"))
    if device.type == "meta":
        raise ValueError(
            "The model must hold its weights; it is on the `meta` device, which has shapes alone. Make it on another "
            "device, or call `model.to_empty(device='cpu')` and then `model.load_state_dict(...)`."
        )
    return device


def folded(network: nn.Module) -> nn.Module:
    """A network for tests alone, a third (`ConvNet`) or a fifth (`ResNet`) faster, also within another: a copy
    in eval mode whose batch norms are folded into the convolutions before them, its logits the same up to rounding; any
    other network itself."""
    if not isinstance(getattr(network, "network", network), ConvNet | ResNet):
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
