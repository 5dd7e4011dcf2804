"""Self-supervised tasks."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional

from robust.data import Batch, Splits
from robust.learn.classifier import guessed, judged
from robust.learn.task import Guess, Task
from robust.measure import knn_accuracy
from robust.perturb import Perturbation
from robust.values.numbers import is_number

_KNOWN, _ASKED = 5000, 10000  # images, at most: seconds of an epoch, and half a point of accuracy


class RotationPrediction(Task):
    """Trains a network to predict by how many quarters a picture is rotated: every picture of a batch in all four ways
    (Gidaris et al. 2018, arXiv 1803.07728)."""

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        turns = range(4)
        images = torch.cat([batch.images.rot90(turn, (2, 3)) for turn in turns])
        labels = torch.arange(len(turns), device=images.device).repeat_interleave(len(batch.images))
        loss, shown = judged(self.model(images), labels)
        return loss, {name: value / len(turns) for name, value in shown.items()}  # sums over the batch's images

    def guess(self, labels: Tensor) -> Guess:
        return guessed(torch.arange(4))


class SimCLR(Task):
    """Trains a network to tell two views of a picture from those of all others in the batch (SimCLR, Chen et al. 2020,
    arXiv 2002.05709): the batch of all processes that train together."""

    least_batch: ClassVar[int] = 2

    def __init__(self, *arguments: Any, views: Perturbation, temperature: float, **settings: Any):
        super().__init__(*arguments, **settings)
        if not (is_number(temperature) and temperature > 0):
            raise ValueError(f"`task.module.temperature` must be a number above 0; got {temperature}.")
        self.views, self.temperature = views, temperature

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        found = functional.normalize(self.model(torch.cat(self.perturbed(self.views, batch))).float())
        others = found
        if self._trainer is not None and self._trainer.world_size > 1:
            gathered = self.all_gather(found, sync_grads=True)
            assert isinstance(gathered, Tensor)
            others = gathered.flatten(0, 1)
        loss, right = nt_xent(found, others, place=self.global_rank, temperature=self.temperature)
        return loss, {"accuracy": right / 2}


def nt_xent(found: Tensor, others: Tensor, *, place: int = 0, temperature: float) -> tuple[Tensor, Tensor]:
    """The normalised, temperature-scaled cross entropy (Chen et al. 2020), a mean over views, and how many views are
    nearest to the other of the same picture.

    `found`: unit vectors, shape (2 n, d), of the first views of n pictures, then of the second. `others`: those of all
    processes, shape (processes * 2 n, d), one process after the other, of which `found` is that at `place`; the mean of
    the losses of all processes is the loss of the whole batch.
    """
    own = torch.arange(len(found), device=found.device)
    start = place * len(found)
    with torch.autocast(found.device.type, enabled=False):  # of many that are nearly as near
        near = found @ others.T / temperature
    near = near.index_put((own, start + own), near.new_tensor(float("-inf")))
    partner = start + own.roll(len(found) // 2)
    return functional.cross_entropy(near, partner), (near.argmax(1) == partner).sum()


class KnnAccuracy(pl.Callback):
    """Logs the k-NN accuracy of a network's features: `knn_accuracy` after each epoch, and `knn_untrained` before the
    first (see `robust.measure.knn_accuracy`), a curve that costs little: of 10,000 test images at most, among 5,000
    that the network learns from, in the trainer's precision."""

    def __init__(self, splits: Splits):
        self.known, self.asked = (
            one[slice(None, None, math.ceil(len(one) / most))]  # at even steps: data may lie in the order of classes
            for one, most in ((splits.train, _KNOWN), (splits.test, _ASKED))
        )
        self.untrained: float | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        if self.untrained is None:
            self.untrained = self.measure(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        found = self.measure(trainer, module)
        module.log_dict({"knn_untrained": self.untrained, "knn_accuracy": found}, rank_zero_only=True)

    def measure(self, trainer: pl.Trainer, module: Any) -> float:
        with trainer.precision_plugin.val_step_context():
            return knn_accuracy(module.model, self.known, self.asked)

    def state_dict(self) -> dict[str, Any]:
        return {"untrained": self.untrained}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.untrained = state_dict["untrained"]
