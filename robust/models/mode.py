"""The mode a network is in."""

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode for the while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
