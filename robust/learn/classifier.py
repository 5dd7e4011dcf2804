"""Classifiers."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from robust.data import Batch
from robust.learn.task import Guess, Task


class Classifier(Task):
    """Trains a network, from images in [0, 1] to logits, with cross entropy; of mixed images with both their labels."""

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        return self.classification_loss(self.model(batch.images), batch)

    def classification_loss(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        targets = batch.labels if batch.targets is None else batch.targets
        loss = functional.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        return loss, {"accuracy": _correct(logits, batch.labels)}

    def guess(self, labels: Tensor) -> Guess:
        alone = not (self.label_smoothing or (self.objective and self.objective.of_logits))  # else it is another loss
        return guessed(labels) if alone else guessed(labels)._replace(loss=None)


def judged(logits: Tensor, labels: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The cross entropy, a mean over the images, and how many are recognised."""
    return functional.cross_entropy(logits, labels), {"accuracy": _correct(logits, labels)}


def guessed(labels: Tensor) -> Guess:
    """What there is to reach, of these labels, by naming always the most frequent class, or by a probability for each
    that is its share."""
    shares = labels.bincount() / len(labels)
    return Guess(shares.max().item(), torch.special.entr(shares).sum().item())


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(1) == labels).sum()
