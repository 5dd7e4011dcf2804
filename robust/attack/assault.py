"""Attacks on a test set: which images, toward which classes, and what is left to do."""

import inspect
import json
from collections.abc import Callable, Container, Sequence
from typing import Any

import pandas as pd
import torch
from hydra.utils import get_method
from torch import Tensor, nn

from robust.attack.record import record
from robust.attack.search import Attacked, as_number, check_least, margin, toward_class, toward_scores
from robust.data import NONE, ImageSet, to_float
from robust.models import TripleStaged
from robust.perturb import Perturbation

#: the target of an attack on any other class
ANY = -1
_KEPT_PAIRS = 100  # pairs of label and target of which images are kept, or two for each label
_OURS = ("targeted", "seed", "numbers", "batch_size", "verdicts", "perturbation", "title")  # what no option sets
_LOSSES = {"cross_entropy": toward_class, "margin": margin}


class Assault:
    """Attacks on the first `images` test images of each class that shows something, away from their label, or with
    `targeted` toward every other class.

    `search` is the path of a function such as `robust.attack.pgd`, the rest its `options`: numbers may be written as
    fractions (8/255), `loss` as cross_entropy or margin, `training` as the number of training images of each class
    that are learnt from. A `perturbation` is `described` by its configuration, JSON, so that attacks through
    others are told apart. A mind's eye that follows the gradient's sign is judged at all `thresholds`, by the same
    search. Raises ValueError for what the search does not take.
    """

    def __init__(
        self,
        *,
        name: str,
        search: str,
        targeted: bool = False,
        images: int = 100,
        kept: int = 8,
        batch_size: int = 64,
        seed: int = 0,
        thresholds: Sequence[float] = (),
        perturbation: Perturbation | None = None,
        described: str = "{}",
        **options: Any,
    ):
        check_least(images=(images, 1), kept=(kept, 0), batch_size=(batch_size, 1))
        if not all(0 < threshold < 1 for threshold in thresholds):
            raise ValueError(f"`attack.thresholds` must be above 0 and below 1; got {list(thresholds)}.")
        self.name, self.images, self.targeted, self.thresholds = name, images, targeted, tuple(thresholds)
        self.kept = kept
        self.options = {key: as_number(f"attack.{key}", value) for key, value in options.items()}
        if (loss := options.get("loss", "cross_entropy")) not in _LOSSES:
            raise ValueError(f"`attack.loss` must be {' or '.join(_LOSSES)}; got {loss}.")
        self.settings = json.dumps({**self.options, **json.loads(described), "seed": seed}, sort_keys=True)
        self._search: Callable[..., Attacked] = get_method(search)
        taken = inspect.signature(self._search).parameters
        known = [key for key, one in taken.items() if one.kind is one.KEYWORD_ONLY and key not in _OURS]
        if unknown := [key for key in options if key not in known]:
            raise ValueError(f"`attack.{unknown[0]}` is not known to `attack={name}`; it takes {', '.join(known)}.")
        self._draws, self._learns = "numbers" in taken, "training" in taken
        self._given: dict[str, Any] = {"batch_size": batch_size, **({"seed": seed} if "seed" in taken else {})}
        if perturbation is not None:
            self._given["perturbation"] = perturbation
        for key, argument, given in (
            ("perturbation", "perturbation", perturbation),
            ("thresholds", "verdicts", thresholds),
        ):
            if given and argument not in taken:
                raise ValueError(f"`attack.{key}` must be left out with `attack={name}`, which knows none.")
        needed = [key for key, one in taken.items() if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
        if left_out := [key for key in needed if key not in {**options, **self._given}]:
            raise ValueError(f"`attack.{left_out[0]}` must be given with `attack={name}`; got none.")
        if self._learns:
            check_least(training=(self.options["training"], 1))

    def check(self, model: nn.Module, images: ImageSet) -> None:
        """Raises ValueError where the search cannot be made with these options."""
        if "perturbation" in self._given:
            self._given["perturbation"].check(images.shape)
        none = to_float(images.images[:0]), images.labels[:0]
        self._attack(model.eval(), *none, numbers=images.labels[:0], training=none, title=None)

    def missing(self, images: ImageSet, known: pd.DataFrame | None) -> list[tuple[int, int]]:
        """The pairs of label and target (`ANY`: any other class) that were not yet attacked like this. Where one change
        is learnt for all images, the label is `ANY` too."""
        labels = [ANY] if self._learns else [label for label, name in enumerate(images.classes) if name != NONE]
        targets = range(len(images.classes)) if self.targeted else [ANY]
        pairs = [
            (label, target)
            for label in labels
            for target in targets
            if (target != label or target == ANY) and len(self.chosen(images, label, target))
        ]
        if known is None:
            return pairs
        known = known[(known["attack"] == self.name) & (known["settings"] == self.settings)]
        wanted = self.thresholds if known["threshold"].notna().any() else [None]

        def is_done(pair: tuple[int, int]) -> bool:
            mine = known[(known["target"] == pair[1]) & ((known["label"] == pair[0]) | (pair[0] == ANY))]
            numbers = set(self.chosen(images, *pair).tolist())
            judged = [mine["threshold"].isna() if one is None else mine["threshold"] == one for one in wanted]
            return all(numbers <= set(mine.loc[rows, "image"]) for rows in judged)

        return [pair for pair in pairs if not is_done(pair)]

    def chosen(self, images: ImageSet, label: int, target: int = ANY) -> Tensor:
        """The numbers of the images of a class, or of `ANY` but the target's, that are attacked."""
        return first_of_each(images, self.images, [label] if label != ANY else _others(images, target))

    def attack(
        self,
        model: nn.Module,
        images: ImageSet,
        pair: tuple[int, int],
        *,
        training: ImageSet | None = None,
        title: str | None = None,
    ) -> pd.DataFrame:
        """A row for each attacked image and threshold (NaN where a model has none), as `record` gives it, with
        `attack`, `settings` (JSON), and of those `kept` `original` and `adversarial`, as bytes (uint8). What is the
        same for all images is learnt from some of `training`."""
        label, target = pair
        if self.targeted and (target == label or not 0 <= target < len(images.classes)):
            raise ValueError(
                f"The target must be another class than the label, {label}, from 0 to {len(images.classes) - 1}; got "
                f"{target}."
            )
        numbers = self.chosen(images, label, target)
        natural = to_float(images.images[numbers])
        labels, targets = images.labels[numbers], torch.full(numbers.shape, target)
        attacked = self._attack(
            model,
            natural,
            targets if self.targeted else labels,
            numbers=images.places[numbers],
            training=self._learnt_from(training, target) if self._learns and training is not None else None,
            title=title,
        )
        thresholds = self.thresholds if self._judges(model) else [float("nan")]
        table = record(attacked, natural, numbers=numbers, labels=labels, targets=targets, thresholds=thresholds)
        few = {
            int(place)
            for one in labels.unique()
            if _is_kept(int(one), target, len(images.classes))
            for place in (labels == one).nonzero()[: self.kept, 0]
        }
        table["original"] = _kept(natural, few) * len(thresholds)
        table["adversarial"] = [one for rule in attacked.images.transpose(0, 1) for one in _kept(rule, few)]
        return table.assign(attack=self.name, settings=self.settings)

    def _learnt_from(self, training: ImageSet, target: int) -> tuple[Tensor, Tensor]:
        """The training images that a change is learnt from, and the classes it is to reach or to leave."""
        numbers = first_of_each(training, self.options["training"], _others(training, target))
        labels = training.labels[numbers]
        return to_float(training.images[numbers]), torch.full_like(labels, target) if self.targeted else labels

    def _attack(
        self,
        model: nn.Module,
        images: Tensor,
        classes: Tensor,
        *,
        numbers: Tensor,
        training: tuple[Tensor, Tensor] | None,
        title: str | None,
    ) -> Attacked:
        options = {**self.options, **self._given, "targeted": self.targeted, "title": title}
        if "loss" in options:
            options["loss"] = _LOSSES[options["loss"]]
        if self._draws:
            options["numbers"] = numbers
        if self._learns:
            options["training"] = training
        if isinstance(model, TripleStaged) and self._judges(model):
            options["loss"] = toward_scores
            options["verdicts"] = lambda scores: model.verdicts(scores, self.thresholds)
        return self._search(model, images, classes, **options)

    def _judges(self, model: nn.Module) -> bool:
        """Whether one search serves several thresholds."""
        return bool(self.thresholds) and isinstance(model, TripleStaged)


def first_of_each(images: ImageSet, count: int, labels: Sequence[int]) -> Tensor:
    """The numbers of the first `count` images of each of these classes."""
    return torch.cat([(images.labels == label).nonzero()[:count, 0] for label in labels])


def _others(images: ImageSet, target: int) -> list[int]:
    """Every class but the target and that of no object."""
    return [label for label, name in enumerate(images.classes) if label != target and name != NONE]


def _is_kept(label: int, target: int, classes: int) -> bool:
    """Whether images of this label are kept with this target: with any of few, with some of many."""
    step = -(-classes // max(2, _KEPT_PAIRS // classes))
    return target == ANY or ((target - label) % classes - 1) % step == 0


def _kept(images: Tensor, few: Container[int]) -> list[bytes | None]:
    return [
        (image * 255).round().to(torch.uint8).numpy().tobytes() if place in few else None
        for place, image in enumerate(images)
    ]
