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


class OneCycle:
    """From `start` to 1 along half a cosine, until the share `peak` of the training is over, then to `end` likewise
    (Smith and Topin 2019, arXiv 1708.07120). Raises ValueError for a `peak` that is not between 0 and 1."""

    def __init__(self, *, peak: float = 0.3, start: float = 0.04, end: float = 4e-6):
        if not 0 < peak < 1:
            raise ValueError(f"`lr_scheduler.peak` must be above 0 and below 1; got {peak}.")
        self.peak = peak
        self.up, self.down = Cosine(start=start, end=1), Cosine(start=1, end=end)

    def __call__(self, progress: float) -> float:
        if progress < self.peak:
            return self.up(progress / self.peak)
        return self.down((progress - self.peak) / (1 - self.peak))


def lr_factor(schedule: Schedule, step: int, *, steps: float, warmup: float = 0) -> float:
    """The factor of the learning rate at a step, counted from 0, of so many: over the first `warmup` steps it rises
    evenly to where the schedule begins, which then runs over the rest."""
    if step < warmup:
        return schedule(0) * (step + 1) / (warmup + 1)
    return schedule(min((step - warmup) / (steps - warmup), 1))


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
