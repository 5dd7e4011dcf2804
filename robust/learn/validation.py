"""Validation: images that are not trained on, asked about after each epoch."""

import logging
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from robust.data import ImageSet
from robust.measure import Condition, predict
from robust.models import OutputError, evaluating
from robust.perturb import Perturbation, key

_log = logging.getLogger(__name__)
#: what a curve calls the accuracy on natural and on perturbed validation images
VAL_ACCURACY, VAL_PERTURBED = "val_accuracy", "val_perturbed_accuracy"


class Validation(pl.Callback):
    """Measures the accuracy on these `images` after each epoch, and on the same perturbed, each alike in every epoch,
    where there is a `perturbation`; logs both.

    Of them the last decides which epoch is the best, the first of equals. With `keep_best` the network has that epoch's
    weights after the training. With `patience` the training stops after so many epochs without a better one. A training
    that is resumed goes on from what it knew.
    """

    def __init__(
        self,
        images: ImageSet,
        perturbation: Perturbation | None = None,
        *,
        seed: int = 0,
        batch_size: int = 1000,
        keep_best: bool = False,
        patience: int | None = None,
    ):
        self.images, self.seed, self.batch_size = images, seed, batch_size
        self.conditions = {VAL_ACCURACY: Condition()}
        if perturbation is not None:
            self.conditions[VAL_PERTURBED] = Condition(perturbation)
        self.keep_best, self.patience = keep_best, patience
        self.best, self.epoch, self.waited = -1.0, 0, 0
        self._weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.images = self.images.near(module.device)
        self._stop_in_time(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        with trainer.precision_plugin.val_step_context():
            measured = self.measure(module.model) if trainer.is_global_zero else None
        found = trainer.strategy.broadcast(measured)  # of the network that is saved: the processes' norms may differ
        assert found is not None
        module.log_dict(found, sync_dist=True)
        self._judge([*found.values()][-1], trainer.current_epoch, module.model)
        self._stop_in_time(trainer)
        if trainer.is_global_zero:
            shares = ", ".join(f"{name} {accuracy:.4f}" for name, accuracy in found.items())
            _log.info("epoch %d: %s", trainer.current_epoch, shares)

    def on_fit_end(self, trainer: pl.Trainer, module: Any) -> None:
        if self.keep_best and self._weights:
            module.model.load_state_dict(self._weights)
            if trainer.is_global_zero:
                _log.info("kept the weights of epoch %d: validation accuracy %.4f", self.epoch, self.best)

    def measure(self, model: nn.Module) -> dict[str, float]:
        """The accuracies by name (see `validate`)."""
        found = validate(model, self.images, [*self.conditions.values()], seed=self.seed, batch_size=self.batch_size)
        return dict(zip(self.conditions, found, strict=True))

    def _judge(self, accuracy: float, epoch: int, network: nn.Module) -> None:
        if accuracy > self.best:
            self.best, self.epoch, self.waited = accuracy, epoch, 0
            if self.keep_best:
                self._weights = {name: value.clone() for name, value in network.state_dict().items()}
        else:
            self.waited += 1

    def _stop_in_time(self, trainer: pl.Trainer) -> None:
        if self.patience is not None and self.waited >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "epoch": self.epoch, "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.epoch, self.waited = (state_dict[name] for name in ("best", "epoch", "waited"))
        self._weights = state_dict["weights"]


def validate(
    model: nn.Module, images: ImageSet, conditions: Sequence[Condition], *, seed: int, batch_size: int
) -> list[float]:
    """The accuracy of a model on validation images under each of these conditions, alike for every model, from 0 to 1;
    0 for a network whose logits are not finite."""
    found = []
    with evaluating(model):
        for condition in conditions:
            try:
                predicted = predict(
                    model, images, condition, 0, seed=key("validation", seed), batch_size=batch_size
                ).predicted
                found.append((predicted == images.labels.to(predicted.device)).double().mean().item())
            except OutputError:  # the task says that it diverged
                found.append(0.0)
    return found
