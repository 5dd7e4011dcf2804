"""What is learnt: the LightningModule that all tasks share."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from robust.data import Batch, ImageSet
from robust.learn.curriculum import Schedule, lr_factor
from robust.learn.objective import Objective
from robust.models import Fitted
from robust.perturb import ImageRandom, Perturbation, key


class Guess(NamedTuple):
    """The accuracy and the loss of who looks at no image."""

    accuracy: float
    loss: float | None = None  # None: not known


class DivergedError(RuntimeError):
    """Training went to infinity or NaN."""


def has_finite_weights(model: nn.Module) -> bool:
    """Whether all that a network learnt is finite."""
    learnt = (value for value in model.state_dict().values() if value.is_floating_point())
    return all(bool(value.isfinite().all()) for value in learnt)


def divergence(losses: Tensor, state: Mapping[str, Tensor], *, epoch: int, total: float = 0) -> str:
    """What is not finite after an epoch, in words: one of its steps' losses, shape (steps,), a weight, or the sum of
    the losses over all images; "" for nothing."""
    advice = "Try a smaller learning rate: optimizer.lr."
    if len(found := (~losses.isfinite()).nonzero()):
        step = int(found[0])
        return (
            f"Training diverged: the loss is {losses[step]:g} in epoch {epoch}, step {step} of its {len(losses)}, both "
            f"counted from 0. {advice}"
        )
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            return f"Training diverged: after epoch {epoch} {name} holds NaN or infinity. {advice}"
    return "" if math.isfinite(total) else f"Training diverged: the losses of epoch {epoch} add up to {total}. {advice}"


class Task(pl.LightningModule):
    """Trains `model`. Logs the means of the loss, and of what else `compute_loss` returns, over each epoch.

    `lr_scheduler` gives the factor of the optimiser's learning rate at each step, by the progress of training, after
    `warmup_epochs` in which it rises (see `lr_factor`). `label_smoothing`, from 0 to below 1, is the share of each
    label that is spread over all classes, where the task is to classify. An `objective` takes the place of the loss, to
    make the network robust. With `keep_standardization` the network was
    trained before, and keeps that of its images. Whatever is random in a step (dropout) is keyed by (seed, epoch), so
    that a training resumed at an epoch's start goes on as if nothing had been; in each of several processes it is
    something else.
    """

    model: Any
    #: the networks that it can train
    networks: ClassVar[tuple[type[nn.Module], ...]] = (nn.Module,)
    #: what has to be known of the images, beside their labels (see `ImageSet.extras`)
    needs: ClassVar[tuple[str, ...]] = ()
    #: images that a batch must have
    least_batch: ClassVar[int] = 1
    #: whether it learns from the images themselves, which an adversary could change
    sees_images: ClassVar[bool] = True
    #: whether it learns to restore perturbed images, from the natural ones, and needs no labels
    restores: ClassVar[bool] = False
    #: the files of a run's folder that `inspect` gives
    inspects: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        lr_scheduler: Schedule | None = None,
        warmup_epochs: float = 0,
        label_smoothing: float = 0,
        objective: Objective | None = None,
        keep_standardization: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        self.model = model
        self.make_optimizer = optimizer
        self.lr_scheduler, self.warmup_epochs = lr_scheduler, warmup_epochs
        self.label_smoothing = label_smoothing
        self.objective = objective
        self.keep_standardization = keep_standardization
        self.seed = seed
        self._names: list[str] = []
        self._sums = torch.zeros(0)
        self._losses: list[Tensor] = []  # of the epoch's steps: looked at when it ends, so that no step waits

    @classmethod
    def check_images(cls, images: ImageSet, model: Mapping[str, Any]) -> None:
        """Raises ValueError where there is nothing to learn from these training images by a network of these
        settings."""

    @classmethod
    def inspect(cls, model: Any, images: ImageSet, *, batch_size: int, title: str | None = None) -> Mapping[str, Any]:
        """What is kept of a trained network beside its tests, by the names in `inspects`: a data frame for a name that
        ends in .csv or .parquet, a dataclass of arrays for .npz."""
        return {}

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a batch, a mean over its images, and what else to show of them, by name: sums over the images."""
        raise NotImplementedError

    def classification_loss(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """What `compute_loss` gives, of logits for a batch: where the task is to classify."""
        raise NotImplementedError

    def perturbed(self, views: Perturbation, batch: Batch, *, times: int = 2) -> list[Tensor]:
        """Each image of a batch perturbed so many times, keyed by (seed, epoch, image)."""
        keys = [key("view", self.seed, self.current_epoch, which) for which in range(times)]
        return [views.perturb(batch.images, ImageRandom(one, batch.indices)) for one in keys]

    def guess(self, labels: Tensor) -> Guess | None:
        """What is reached without looking at any image, given all training labels; None where that is not known."""
        return None

    def attack_loss(self, images: Tensor, batch: Batch) -> Tensor:
        """What an adversary that changes a batch's images increases: the loss."""
        return self.compute_loss(batch._replace(images=images))[0]

    @property
    def trainable_module(self) -> nn.Module:
        """The part that learns; all other parts stay as they came, with their standardisation."""
        return self.model

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer([one for one in self.parameters() if one.requires_grad])
        if self.lr_scheduler is None:
            return optimizer
        steps, epochs = self.trainer.estimated_stepping_batches, self.trainer.max_epochs
        assert epochs
        warmup = self.warmup_epochs * steps / epochs
        factor = functools.partial(lr_factor, self.lr_scheduler, steps=steps, warmup=warmup)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_start(self) -> None:
        """Fits standardisation and whitening to the training images as the first epoch shows them: constant learning's
        are perturbed, natural's are not."""
        if self.trainer.global_step or self.keep_standardization:
            return  # they came with the weights
        see = getattr(self.trainable_module, "see", lambda images: images)  # of an `Ablated` network
        for layer in self.trainable_module.modules():
            if isinstance(layer, Fitted):
                layer.fit(map(see, self.trainer.datamodule.training_images()))  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        process = [self.global_rank] if self.global_rank else []
        torch.manual_seed(key("epoch", self.seed, self.current_epoch, *process))
        self._names, self._losses = [], []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, shown = self.objective(self, batch) if self.objective else self.compute_loss(batch)
        count = len(batch.labels)
        self._losses.append(loss.detach())
        with torch.no_grad():
            if not self._names:
                self._names = ["loss", *shown]
                self._sums = torch.zeros(len(self._names) + 1, device=self.device)
            for place, value in enumerate((loss * count, *shown.values())):
                self._sums[place] += value
            self._sums[-1] += count
        return loss

    def on_train_epoch_end(self) -> None:
        *sums, count = self.trainer.strategy.reduce(self._sums, reduce_op="sum").tolist()
        state = self.model.state_dict()
        if reason := divergence(torch.stack(self._losses), state, epoch=self.current_epoch, total=sums[0]):
            raise DivergedError(reason)
        means = {f"train_{name}": value / count for name, value in zip(self._names, sums, strict=True)}
        self.log_dict(means, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint.pop("hyper_parameters", None)
