"""Attacks on a test set: which images, toward which classes, and what is left to do."""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from hydra.utils import get_method
from torch import Tensor, nn

from robust.attack.record import record
from robust.attack.search import Attacked, as_number, check_least, margin, toward_class, toward_scores
from robust.data import NONE, ImageSet, to_float
from robust.models import TripleStaged

#: the target of an attack on any other class
ANY = -1
_KEPT = 8  # images of each label and target that are kept to be looked at
_OURS = ("targeted", "seed", "numbers", "batch_size", "verdicts", "title")  # what no option sets
_LOSSES = {"cross_entropy": toward_class, "margin": margin}


class Assault:
    """Attacks on the first `images` test images of each class that shows something, away from their label, or with
    `targeted` toward every other class.

    `search` is the path of a function such as `robust.attack.pgd`, the rest its `options`: numbers may be written as
    fractions (8/255), `loss` as cross_entropy or margin. A mind's eye that follows the gradient's sign is judged at all
    `thresholds`, by the same search. Raises ValueError for what the search does not take.
    """

    def __init__(
        self,
        *,
        name: str,
        search: str,
        targeted: bool = False,
        images: int = 100,
        batch_size: int = 64,
        seed: int = 0,
        thresholds: Sequence[float] = (),
        **options: Any,
    ):
        check_least(images=(images, 1), batch_size=(batch_size, 1))
        if not all(0 < threshold < 1 for threshold in thresholds):
            raise ValueError(f"`attack.thresholds` must be above 0 and below 1; got {list(thresholds)}.")
        self.name, self.images, self.targeted, self.thresholds = name, images, targeted, tuple(thresholds)
        self.options = {key: as_number(f"attack.{key}", value) for key, value in options.items()}
        if (loss := options.get("loss", "cross_entropy")) not in _LOSSES:
            raise ValueError(f"`attack.loss` must be {' or '.join(_LOSSES)}; got {loss}.")
        self.settings = json.dumps({**self.options, "seed": seed}, sort_keys=True)
        self._search: Callable[..., Attacked] = get_method(search)
        taken = inspect.signature(self._search).parameters
        known = [key for key, one in taken.items() if one.kind is one.KEYWORD_ONLY and key not in _OURS]
        if unknown := [key for key in options if key not in known]:
            raise ValueError(f"`attack.{unknown[0]}` is not known to `attack={name}`; it takes {', '.join(known)}.")
        self._draws = "numbers" in taken
        self._given = {"batch_size": batch_size, **({"seed": seed} if self._draws else {})}

    def check(self, model: nn.Module, images: ImageSet) -> None:
        """Raises ValueError where the search cannot be made with these options."""
        self._attack(model.eval(), to_float(images.images[:0]), images.labels[:0], images.labels[:0], None)

    def missing(self, images: ImageSet, known: pd.DataFrame | None) -> list[tuple[int, int]]:
        """The pairs of label and target (`ANY`: any other class) that were not yet attacked like this."""
        pairs = [
            (label, target)
            for label, name in enumerate(images.classes)
            for target in (range(len(images.classes)) if self.targeted else [ANY])
            if target != label and name != NONE
        ]
        if known is None:
            return pairs
        known = known[(known["attack"] == self.name) & (known["settings"] == self.settings)]
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
        `attack`, `settings` (JSON), and of a few images `original` and `adversarial`, as bytes (uint8)."""
        label, target = pair
        numbers = self.chosen(images, label)
        natural = to_float(images.images[numbers])
        labels, targets = images.labels[numbers], torch.full(numbers.shape, target)
        attacked = self._attack(model, natural, targets if self.targeted else labels, numbers, title)
        thresholds = self.thresholds if self._judges(model) else [float("nan")]
        table = record(attacked, natural, numbers=numbers, labels=labels, targets=targets, thresholds=thresholds)
        table["original"] = _first_few(natural) * len(thresholds)
        table["adversarial"] = [one for rule in attacked.images.transpose(0, 1) for one in _first_few(rule)]
        return table.assign(attack=self.name, settings=self.settings)

    def _attack(
        self, model: nn.Module, images: Tensor, classes: Tensor, numbers: Tensor, title: str | None
    ) -> Attacked:
        options = {**self.options, **self._given, "targeted": self.targeted, "title": title}
        if "loss" in options:
            options["loss"] = _LOSSES[options["loss"]]
        if self._draws:
            options["numbers"] = numbers
        if isinstance(model, TripleStaged) and self._judges(model):
            options["loss"] = toward_scores
            options["verdicts"] = lambda scores: model.verdicts(scores, self.thresholds)
        return self._search(model, images, classes, **options)

    def _judges(self, model: nn.Module) -> bool:
        """Whether one search serves several thresholds."""
        return bool(self.thresholds) and isinstance(model, TripleStaged)


def _first_few(images: Tensor) -> list[bytes | None]:
    return [
        (image * 255).round().to(torch.uint8).numpy().tobytes() if place < _KEPT else None
        for place, image in enumerate(images)
    ]
