"""What a run keeps while it trains: its curve and its last state."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn
from tqdm.auto import tqdm

from robust.files import atomic_write, check_guards


class EpochLogger(pl.callbacks.Checkpoint):
    """Collects what was logged in each epoch and has it written as a table, one row an epoch. A resumed run continues
    its rows; a checkpoint says which `run` it is of.

    Lightning calls a `Checkpoint` after the module's own hook, when the epoch's figures are there.
    """

    def __init__(self, write: Callable[[pd.DataFrame], None], *, run: str = "") -> None:
        self.write, self.run = write, run
        self.rows: list[dict[str, float]] = []

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.write(pd.DataFrame(self.rows))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch, **logged})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "run": self.run}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class LastCheckpoint(pl.callbacks.Checkpoint):
    """Saves everything needed to resume, whole, at the end of an epoch, at most every `every_s` seconds."""

    def __init__(self, path: Path, *, every_s: float):
        self.path = path
        self.every_s = every_s
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._saved = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            check_guards(self.path)  # a folder that went, or is another's by now, need not be trained for
        due = time.monotonic() - self._saved >= self.every_s
        if not trainer.strategy.broadcast(due):  # the first process decides for all: they save together
            return
        trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()


class PausedError(Exception):
    """A training was told to stop; all that is needed to go on with it is saved."""


class Pausing(pl.callbacks.Checkpoint):
    """Asks after each epoch, the first being 1, whether the training is to `go_on`, of the network as it is. If not, it
    is saved to `path`, and ends with PausedError."""

    def __init__(self, path: Path, go_on: Callable[[int, nn.Module], bool]):
        self.path, self.go_on = path, go_on

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        if not self.go_on(trainer.current_epoch + 1, module.model):
            trainer.save_checkpoint(self.path)
            raise PausedError


class AtomicIO(TorchCheckpointIO):
    """Writes Lightning's checkpoints whole or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        atomic_write(Path(path), lambda file: torch.save(checkpoint, file))


class Progress(pl.callbacks.ProgressBar):
    """One bar for the whole training, over all its steps."""

    def __init__(self, title: str):
        super().__init__()
        self.title = title
        self._bar: tqdm | None = None
        self._shown = True

    def enable(self) -> None:
        self._shown = True

    def disable(self) -> None:
        self._shown = False

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar = tqdm(
            desc=self.title,
            unit="step",
            total=int(trainer.estimated_stepping_batches),
            initial=trainer.global_step,
            leave=False,
            delay=1,
            disable=None if self._shown else True,
        )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)  # several batches may make one step

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._bar is not None:
            logged = {name: f"{float(value):.3f}" for name, value in trainer.callback_metrics.items()}
            self._bar.set_postfix({"epoch": trainer.current_epoch + 1, **logged}, refresh=False)

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
