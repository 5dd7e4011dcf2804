"""Classifiers."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from robust.data import Batch
from robust.learn.task import Guess, Task


class Classifier(Task):
    """Trains a network, from images in [0, 1] to logits, with cross entropy."""

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        return self.classification_loss(self.model(batch.images), batch)

    def classification_loss(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        return judged(logits, batch.labels)

    def guess(self, labels: Tensor) -> Guess:
        alone = self.objective is None or not self.objective.of_logits  # else the loss is more than a cross entropy
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
