"""A few test images as a model sees them, kept for looking at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from robust.data import ImageSet, to_float
from robust.measure.conditions import Condition
from robust.models import ask, device_of

_MOST = 40  # conditions that one can look at


@dataclass(frozen=True)
class Samples:
    """The same images under several conditions.

    `names` and `levels` of the conditions, `images` as uint8 of shape (conditions, n, channels, height, width),
    `labels` of shape (n,), `predicted` of shape (conditions, n), and the names of the `classes`.
    """

    names: np.ndarray
    levels: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    classes: np.ndarray

    def are_among(self, others: "Samples") -> bool:
        """Whether the others show all these conditions, and maybe more."""
        return set(zip(self.names, self.levels, strict=True)) <= set(zip(others.names, others.levels, strict=True))


def _few(conditions: Sequence[Condition]) -> Sequence[Condition]:
    """These conditions, or of more than one can look at, of each perturbation that of its middle level."""
    if len(conditions) <= _MOST:
        return conditions
    levels: dict[str, list[float]] = {}
    for one in conditions:
        levels.setdefault(one.name, []).append(one.level)
    return [one for one in conditions if one.level == sorted(levels[one.name])[len(levels[one.name]) // 2]]


def take_samples(
    model: nn.Module, images: ImageSet, conditions: Sequence[Condition], *, seed: int, count: int = 8
) -> Samples:
    """The first image of each of the first `count` classes, as the first trial of every condition shows it to `model`;
    where there are many, of each perturbation that of its middle level."""
    conditions = _few(conditions)
    device = device_of(model)
    chosen = torch.stack([(images.labels == label).nonzero()[0, 0] for label in images.labels.unique()[:count]]).cpu()
    natural = to_float(images.images[chosen]).to(device)
    shown, predicted = [], []
    with torch.inference_mode():
        for condition in conditions:
            batch = condition.view(natural, images.places[chosen], seed=seed, trial=0)
            shown.append((batch * 255).round().to(torch.uint8).cpu().numpy())
            logits = ask(model, batch.clone(), numbers=images.places[chosen], under=f"{condition.title}, trial 0")
            predicted.append(logits.argmax(1).cpu().numpy())
    return Samples(
        names=np.array([condition.name for condition in conditions]),
        levels=np.array([condition.level for condition in conditions]),
        images=np.stack(shown),
        labels=images.labels[chosen].numpy(),
        predicted=np.stack(predicted),
        classes=np.array(images.classes),
    )
