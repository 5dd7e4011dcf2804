"""Which share of a batch is perturbed, epoch by epoch."""

import math
from collections.abc import Sequence
from typing import Protocol

import pytorch_lightning as pl

_MEANING = (
    "It is the perturbed share of a batch (`technique.share`), or a factor of the learning rate (`lr_scheduler`)."
)


class Schedule(Protocol):
    """A share, from 0 to 1, by the progress of training: from 0 (first epoch) to just under 1 (last). Of a batch, that
    which is perturbed; or of the learning rate. Those here raise ValueError for a share that is not from 0 to 1."""

    def __call__(self, progress: float) -> float: ...


class Constant:
    """The same value in every epoch: as a share 0 for natural training, 1 for constant learning."""

    def __init__(self, *, value: float):
        self.value = check_share("value", value)

    def __call__(self, progress: float) -> float:
        return self.value


class Linear:
    """From `start` to `end`, evenly. From 0 to 1: incremental learning (arXiv 2004.03452, section VI-B)."""

    def __init__(self, *, start: float = 0.0, end: float = 1.0):
        self.start = check_share("start", start)
        self.end = check_share("end", end)

    def __call__(self, progress: float) -> float:
        return self.start + (self.end - self.start) * progress


class Cosine(Linear):
    """From `start` to `end` along half a cosine: slow, fast, slow."""

    def __call__(self, progress: float) -> float:
        return super().__call__((1 - math.cos(math.pi * progress)) / 2)


class Steps:
    """The first of `values` at first, then the next, each for as many epochs."""

    def __init__(self, *, values: Sequence[float]):
        if not values:
            raise ValueError("The `values` of a schedule must name at least one; got none. " + _MEANING)
        self.values = [check_share("values", value) for value in values]

    def __call__(self, progress: float) -> float:
        return self.values[min(int(progress * len(self.values)), len(self.values) - 1)]


def check_share(name: str, share: float) -> float:
    """`share`, or ValueError unless it is from 0 to 1."""
    if not 0 <= share <= 1:
        raise ValueError(f"The `{name}` of a schedule must be from 0 to 1; got {share}. {_MEANING}")
    return share


class Curriculum(pl.Callback):
    """Tells the data module each epoch's number and perturbed share, and logs the share."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start_epoch(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        module.log("perturbed_share", self._start_epoch(trainer), sync_dist=True)

    def _start_epoch(self, trainer: pl.Trainer) -> float:
        assert trainer.max_epochs
        share = self.schedule(trainer.current_epoch / trainer.max_epochs)
        trainer.datamodule.start_epoch(trainer.current_epoch, share)  # type: ignore[attr-defined]
        return share
