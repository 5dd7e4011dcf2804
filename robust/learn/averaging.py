"""The exponential moving average of a network's weights."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

_WARM = 10  # steps after which the average is of about as many: else a short training would keep its first weights


class Averaging(pl.Callback):
    """Keeps the exponential moving average of the weights, and of the norms' statistics, over the steps: after step n,
    counted from 0, it is d times the average before and 1 - d times the weights, d being `decay`, from 0 to below 1, or
    (1 + n) / (10 + n) where that is less. (After the first step it is the weights.)

    Within an epoch the network has the weights that learn. Between epochs, where it is measured and saved, and after
    the last one, it has their average.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.updates = 0
        self._steps = 0
        self._others: list[Tensor] = []  # the average within an epoch, the weights that learn between epochs

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._steps = trainer.global_step
        self._exchange(module.model)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        if trainer.global_step == self._steps:
            return  # no step yet: gradients of several batches are added
        self._steps = trainer.global_step
        weights = _floats(module.model)
        if not self.updates:
            self._others = [one.clone() for one in weights]
        else:
            decay = min(self.decay, (1 + self.updates) / (_WARM + self.updates))
            torch._foreach_lerp_(self._others, weights, 1 - decay)
        self.updates += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        self._exchange(module.model)

    def _exchange(self, network: nn.Module) -> None:
        """Gives the network the other weights, where there are any, and keeps its own."""
        for place, (weight, other) in enumerate(zip(_floats(network), self._others, strict=False)):
            self._others[place] = weight.clone()
            weight.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "weights": self._others}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.updates, self._others = state_dict["updates"], state_dict["weights"]


def _floats(network: nn.Module) -> list[Tensor]:
    """The weights of a network, and what else it learns from images; the tensors themselves."""
    return [one for one in network.state_dict().values() if one.is_floating_point()]
