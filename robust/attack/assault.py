"""Attacks on a test set: which images, toward which classes, and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from robust.attack.gradient import gradient_sign
from robust.attack.record import record
from robust.attack.search import Loss, Verdicts, predicted, toward_class, toward_scores
from robust.data import NONE, ImageSet, to_float
from robust.models import TripleStaged

_KEPT = 8  # images of each label and target that are kept to be looked at


@dataclass(frozen=True)
class Assault:
    """Attacks by the gradient's sign on the first `images` test images of each class that shows something, toward every
    other class; see `gradient_sign`. A mind's eye is judged at all `thresholds`, by the same search."""

    name: str = "gradient_sign"
    images: int = 100
    step: float = 1 / 255
    max_steps: int = 1_500
    batch_size: int = 64
    thresholds: Sequence[float] = (0.2, 0.45, 0.7)

    def __post_init__(self) -> None:
        for name in ("images", "max_steps", "batch_size"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"`attack.{name}` must be a whole number >= 1; got {value}.")
        if not 0 < self.step <= 1:
            raise ValueError(f"`attack.step` must be above 0 and at most 1; got {self.step}. A grey level is 1/255.")
        if not self.thresholds or not all(0 < threshold < 1 for threshold in self.thresholds):
            raise ValueError(f"`attack.thresholds` must be above 0 and below 1; got {list(self.thresholds)}.")

    def missing(self, images: ImageSet, known: pd.DataFrame | None) -> list[tuple[int, int]]:
        """The pairs of label and target that were not yet attacked like this."""
        pairs = [
            (label, target)
            for label, name in enumerate(images.classes)
            for target in range(len(images.classes))
            if target != label and name != NONE
        ]
        if known is None:
            return pairs
        alike = (known["attack"] == self.name) & (known["step"] == self.step) & (known["max_steps"] == self.max_steps)
        known = known[alike]
        wanted = self.thresholds if known["threshold"].notna().any() else [None]

        def is_done(pair: tuple[int, int]) -> bool:
            mine = known[(known["label"] == pair[0]) & (known["target"] == pair[1])]
            numbers = set(self.chosen(images, pair[0]).tolist())
            judged = [mine["threshold"].isna() if one is None else mine["threshold"] == one for one in wanted]
            return all(numbers <= set(mine.loc[rows, "image"]) for rows in judged)

        return [pair for pair in pairs if not is_done(pair)]

    def chosen(self, images: ImageSet, label: int) -> Tensor:
        """The numbers of the images of a class that are attacked."""
        return (images.labels == label).nonzero()[: self.images, 0]

    def attack(
        self, model: nn.Module, images: ImageSet, pair: tuple[int, int], *, title: str | None = None
    ) -> pd.DataFrame:
        """A row for each attacked image and threshold (NaN where a model has none), as `record` gives it, with
        `attack`, `step`, `max_steps`, and of a few images `original` and `adversarial`, as bytes (uint8)."""
        label, target = pair
        numbers = self.chosen(images, label)
        natural, targets = to_float(images.images[numbers]), torch.full(numbers.shape, target)
        loss, verdicts, thresholds = self._aims(model)
        attacked = gradient_sign(
            model,
            natural,
            targets,
            step=self.step,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            loss=loss,
            verdicts=verdicts,
            title=title,
        )
        table = record(
            attacked, natural, numbers=numbers, labels=images.labels[numbers], targets=targets, thresholds=thresholds
        )
        table["original"] = _first_few(natural) * len(thresholds)
        table["adversarial"] = [one for rule in attacked.images.transpose(0, 1) for one in _first_few(rule)]
        return table.assign(attack=self.name, step=self.step, max_steps=self.max_steps)

    def _aims(self, model: nn.Module) -> tuple[Loss, Verdicts, Sequence[float]]:
        if isinstance(model, TripleStaged):
            return toward_scores, lambda scores: model.verdicts(scores, self.thresholds), self.thresholds
        return toward_class, predicted, [float("nan")]


def _first_few(images: Tensor) -> list[bytes | None]:
    return [
        (image * 255).round().to(torch.uint8).numpy().tobytes() if place < _KEPT else None
        for place, image in enumerate(images)
    ]
