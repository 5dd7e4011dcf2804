"""Runs of one architecture that train as one: a batch of each, one step for all."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch.nn import functional

from robust.data import Batch, PerturbedData
from robust.learn.callbacks import AtomicIO, EpochLogger
from robust.learn.classifier import Classifier
from robust.learn.curriculum import Schedule
from robust.learn.task import divergence
from robust.models import Fitted
from robust.models.stacked import stack_states, state_of


class StackedData(pl.LightningDataModule):
    """The batches of several data modules of one size side by side, of each its own share perturbed."""

    def __init__(self, parts: Sequence[PerturbedData], schedules: Sequence[Schedule]):
        super().__init__()
        self.parts, self.schedules = parts, schedules

    def setup(self, stage: str | None = None) -> None:
        for part in self.parts:
            part.place(self.trainer.strategy.root_device)  # type: ignore[union-attr]

    def start_epoch(self, epoch: int, progress: float) -> list[float]:
        """Sets what the epoch's batches will be; returns the perturbed shares."""
        shares = [float(schedule(progress)) for schedule in self.schedules]
        for part, share in zip(self.parts, shares, strict=True):
            part.start_epoch(epoch, share)
        return shares

    def train_dataloader(self) -> CombinedLoader:
        return CombinedLoader([part.train_dataloader() for part in self.parts], "min_size")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> list[Batch]:
        return [part.on_after_batch_transfer(one, 0) for part, one in zip(self.parts, batch, strict=True)]


class StackedClassifier(Classifier):
    """Trains a stack of networks (`robust.models.stack`) on `StackedData` as a Classifier trains each of them.

    `curves` are the epochs' rows of each. One that diverges leaves: `diverged` says by its place what happened, nothing
    of it is saved any more, and what it still computes reaches no other; when all have left, training ends.
    """

    def __init__(self, model: Any, **settings: Any):
        super().__init__(model, **settings)
        self.curves: list[list[dict[str, float]]] = [[] for _ in next(model.parameters())]
        self.diverged: dict[int, str] = {}

    def _start_epoch(self) -> list[float]:
        progress = self.current_epoch / (self.trainer.max_epochs or 1)
        return self.trainer.datamodule.start_epoch(self.current_epoch, progress)  # type: ignore[attr-defined]

    def on_train_start(self) -> None:
        if self.trainer.global_step or self.keep_standardization:
            return
        self._start_epoch()
        for layer in self.model.modules():
            if isinstance(layer, Fitted):
                for place, part in enumerate(self.trainer.datamodule.parts):  # type: ignore[attr-defined]
                    own = copy.copy(layer)
                    own._buffers = {name: value[place] for name, value in layer._buffers.items() if value is not None}
                    own.fit(part.training_images())

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._shares = self._start_epoch()
        self._sums, self._count = torch.zeros(2, len(self.curves), device=self.device), 0

    def training_step(self, batches: Any, batch_idx: int) -> Tensor:
        images, labels = (torch.stack(some, 1) for some in zip(*(one[:2] for one in batches), strict=True))
        mixed = batches[0].targets is not None
        targets = torch.stack([one.targets for one in batches], 1) if mixed else labels
        logits = self.model(images.flatten(1, 2)).unflatten(1, (len(batches), -1))
        every = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(0, 1), reduction="none", label_smoothing=self.label_smoothing
        )
        losses = every.view(labels.shape).mean(0)
        with torch.no_grad():
            self._losses.append(losses.detach())
            self._sums += torch.stack([losses * len(images), (logits.argmax(2) == labels).sum(0)])
            self._count += len(images)
        return losses.sum()  # whose gradient, with respect to one's weights, is that of its own loss

    def on_train_epoch_end(self) -> None:
        losses, state = torch.stack(self._losses), self.model.state_dict()
        rows = (self._sums / self._count).T.tolist()
        for place, (loss, accuracy) in enumerate(rows):
            if place not in self.diverged:
                row = {"perturbed_share": self._shares[place], "train_loss": loss, "train_accuracy": accuracy}
                self.curves[place].append({"epoch": self.current_epoch, **row})
                if reason := divergence(losses[:, place], state_of(state, place), epoch=self.current_epoch):
                    self.diverged[place] = reason
        self.trainer.should_stop = len(self.diverged) == len(self.curves)


class StackedCheckpoints(AtomicIO):
    """Writes a stack's checkpoint as one for each run, as that would write it alone; reads such checkpoints, of one
    epoch, as the stack's. `files`: where each goes, by the run's digest, in the stack's order."""

    def __init__(self, task: StackedClassifier, files: Mapping[str, Path]):
        self.task, self.files = task, files

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        for place, (run, file) in enumerate(self.files.items()):
            if place not in self.task.diverged:
                curve = {EpochLogger.__qualname__: {"rows": self.task.curves[place], "run": run}}
                mine = functools.partial(_at, place)
                optimizers = [_of_optimizer([one], mine) for one in checkpoint["optimizer_states"]]
                own = {"state_dict": state_of(checkpoint["state_dict"], place), "optimizer_states": optimizers}
                super().save_checkpoint({**checkpoint, **own, "callbacks": curve}, file)

    def load_checkpoint(self, path: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        parts = [
            super(StackedCheckpoints, self).load_checkpoint(file, *arguments, **options) for file in self.files.values()
        ]
        self.task.curves = [part["callbacks"][EpochLogger.__qualname__]["rows"] for part in parts]
        optimizers = [
            _of_optimizer(some, torch.stack) for some in zip(*(part["optimizer_states"] for part in parts), strict=True)
        ]
        states = stack_states([part["state_dict"] for part in parts])
        return {**parts[0], "state_dict": states, "optimizer_states": optimizers, "callbacks": {}}


def _at(place: int, values: Sequence[Tensor]) -> Tensor:
    return values[0][place].clone()


def _of_optimizer(states: Sequence[Any], join: Callable[[list[Tensor]], Tensor]) -> dict[str, Any]:
    """One state of those of several optimisers: tensors as large as weights are joined; how many steps were taken, as
    many in all, stays."""

    def joined(values: list[Any]) -> Any:
        return join(values) if isinstance(values[0], Tensor) and values[0].dim() else values[0]

    of_weights = {
        number: {name: joined([one["state"][number][name] for one in states]) for name in own}
        for number, own in states[0]["state"].items()
    }
    return {**states[0], "state": of_weights}
