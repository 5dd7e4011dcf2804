"""The mode a network is in, and where it computes."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


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
