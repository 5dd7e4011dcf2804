"""Classifiers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from robust.data import Batch
from robust.learn.task import Guess, Task
from robust.models import AlexNet


class Classifier(Task):
    """Trains a network, from images in [0, 1] to logits, with cross entropy."""

    def learn(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        return self.judge(self.model(batch.images), batch)

    def judge(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        return judged(logits, batch.labels)

    def guess(self, labels: Tensor) -> Guess:
        alone = self.objective is None or not self.objective.of_logits  # else the loss is more than a cross entropy
        return guessed(labels) if alone else guessed(labels)._replace(loss=None)


class EstimatingClassifier(Task):
    """Trains a network that also estimates the parameters of the object it sees, where it sees one: cross entropy, and
    `weight` times half the squared error, summed over the parameters. Only the classes count afterwards (Berntsen et
    al. 2016, section 2.1)."""

    networks, needs = (AlexNet,), ("parameters", "is_object")

    def __init__(self, *arguments: Any, weight: float = 1.0, **options: Any):
        super().__init__(*arguments, **options)
        if getattr(self.model, "parameters_head", self) is None:
            raise ValueError(
                "`model.parameters` must name what is to be estimated; choose model=alexnet_with_parameters."
            )
        self.weight = weight

    def learn(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, parameters = self.model.estimate(batch.images)
        error = (parameters - batch.extras["parameters"]) * batch.extras["is_object"][:, None]
        loss = functional.cross_entropy(logits, batch.labels)
        loss = loss + self.weight * error.square().sum() / 2 / len(batch.labels)
        return loss, {"accuracy": _correct(logits, batch.labels)}

    def guess(self, labels: Tensor) -> Guess:
        return guessed(labels)._replace(loss=None)


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
