"""Which share of a batch is perturbed, epoch by epoch."""

from typing import Protocol

import pytorch_lightning as pl


class Schedule(Protocol):
    """The perturbed share of a batch, from 0 to 1, by the progress of training: from 0 (first epoch) to just under 1
    (last)."""

    def __call__(self, progress: float) -> float: ...


class Constant:
    """The same share in every epoch: 0 for natural training, 1 for constant learning."""

    def __init__(self, *, share: float):
        if not 0 <= share <= 1:
            raise ValueError(
                f"`technique.share` must be from 0 to 1; got {share}. It is the perturbed part of a batch."
            )
        self.share = share

    def __call__(self, progress: float) -> float:
        return self.share


class Curriculum(pl.Callback):
    """Tells the data module each epoch's number and perturbed share, and logs the share."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start_epoch(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        module.log("perturbed_share", self._start_epoch(trainer))

    def _start_epoch(self, trainer: pl.Trainer) -> float:
        assert trainer.max_epochs
        share = self.schedule(trainer.current_epoch / trainer.max_epochs)
        trainer.datamodule.start_epoch(trainer.current_epoch, share)  # type: ignore[attr-defined]
        return share
