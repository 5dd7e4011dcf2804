"""The LightningModule that trains a classifier."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.models import Standardize
from robust.perturb import key


class DivergedError(RuntimeError):
    """Training went to infinity or NaN."""


class Classifier(pl.LightningModule):
    """Trains `model`, from images in [0, 1] to logits, with cross entropy. Logs loss and accuracy of each epoch.

    Whatever is random in a step (dropout) is keyed by (seed, epoch), so that a training resumed at an epoch's start
    goes on as if nothing had been; in each of several processes it is something else.
    """

    def __init__(
        self, model: nn.Module, *, optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer], seed: int = 0
    ):
        super().__init__()
        self.model = model
        self.make_optimizer = optimizer
        self.seed = seed
        self._sums = torch.zeros(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.make_optimizer([one for one in self.parameters() if one.requires_grad])

    def on_train_start(self) -> None:
        """Fits the standardisation to the training images as the first epoch shows them: constant learning's are
        perturbed, natural's are not."""
        if self.trainer.global_step:
            return  # resumed: they came with the checkpoint
        for layer in self.model.modules():
            if isinstance(layer, Standardize):
                layer.fit(self.trainer.datamodule.training_images())  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        process = [self.global_rank] if self.global_rank else []
        torch.manual_seed(key("epoch", self.seed, self.current_epoch, *process))
        self._sums = torch.zeros(3, device=self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self.model(images)
        loss = functional.cross_entropy(logits, labels)
        with torch.no_grad():
            self._sums[0] += loss * len(labels)
            self._sums[1] += (logits.argmax(1) == labels).sum()
            self._sums[2] += len(labels)
        return loss

    def on_train_epoch_end(self) -> None:
        loss, correct, count = self.trainer.strategy.reduce(self._sums, reduce_op="sum").tolist()
        if not math.isfinite(loss):
            raise DivergedError(
                f"Training diverged: the loss of epoch {self.current_epoch} is {loss}. Try a smaller learning rate."
            )
        self.log_dict({"train_loss": loss / count, "train_accuracy": correct / count}, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint.pop("hyper_parameters", None)
