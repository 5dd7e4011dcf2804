"""Attacks on a test set: which images, toward which classes, and what is left to do."""

import functools
import inspect
import json
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any

import pandas as pd
import torch
from hydra.utils import get_method
from torch import Tensor, nn

from robust.attack.gate import Budget, begun, norm_named, settled
from robust.attack.record import record
from robust.attack.result import AttackResult, as_number, check_least, cross_entropy_toward, margin, predicted
from robust.data import ImageSet, to_float
from robust.models import Thresholded, ask, device_of, evaluating, gives_gradients, preserved
from robust.perturb import Perturbation
from robust.values.numbers import is_number, is_whole, plain

#: the target of an attack on any other class
ANY = -1
_KEPT_PAIRS = 100  # pairs of label and target of which images are kept, or two for each label
_WITHOUT_GRADIENTS = ("robust.attack.one_pixel", "robust.attack.worst_of")
_POSITIONAL = 3  # arguments of a search: model, images, classes
_OURS = ("targeted", "seed", "numbers", "batch_size", "predictions", "perturbation", "title")  # what no option sets
_LOSSES = {"cross_entropy": cross_entropy_toward, "margin": margin}


class AttackPlan:
    """Attacks on the first `images` test images of each class that shows something, away from their label, or with
    `targeted` toward every other class.

    `search` is the path of a function such as `robust.attack.pgd`, the rest its `options`: numbers may be written as
    fractions (8/255), `loss` as cross_entropy or margin, `training` as the number of training images of each class
    that are learnt from. A `perturbation` is `described` by its configuration, JSON, so that attacks through
    others are told apart. Of a network that is `Thresholded` the predictions at all `thresholds` count, in the same
    search, by the network's own loss. Raises ValueError for what the search does not take.

    A search of one's own takes a model, images and classes, in this order, returns an `AttackResult`, and is given of
    batch_size, seed, targeted (bool), title, numbers, training, perturbation and predictions those that it names. Its
    images are looked at (see `settled`), against its options `eps` and `norm` (linf where it names none), and its
    predictions are asked for again.
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
        if not is_whole(seed):
            raise ValueError(f"`attack.seed` must be a whole number; got {seed!r}.")
        if not all(is_number(one) and 0 < one < 1 for one in thresholds):
            raise ValueError(f"`attack.thresholds` must be above 0 and below 1; got {list(thresholds)}.")
        self.name, self.targeted, self.thresholds = name, targeted, tuple(map(plain, thresholds))
        self.images, self.kept, self.batch_size, seed = (plain(one) for one in (images, kept, batch_size, seed))
        self.options = {key: as_number(f"attack.{key}", value) for key, value in options.items()}
        loss = options.get("loss", "cross_entropy")
        if search.startswith("robust.attack.") and loss not in _LOSSES:
            raise ValueError(f"`attack.loss` must be {' or '.join(_LOSSES)}; got {loss}.")
        self.settings = json.dumps({**self.options, **json.loads(described), "seed": seed}, sort_keys=True)
        self._search: Callable[..., AttackResult] = get_method(search)
        self._path = search
        self._is_ours = str(getattr(self._search, "__module__", "")).startswith("robust.attack.")
        parameters = list(inspect.signature(self._search).parameters.values())[_POSITIONAL:]
        self._takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
        taken = {one.name: one for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}
        self._taken = frozenset(taken)
        known = [key for key in taken if key not in _OURS]
        if (unknown := [key for key in options if key not in known]) and not self._takes_all:
            raise ValueError(f"`attack.{unknown[0]}` is not known to `attack={name}`; it takes {', '.join(known)}.")
        self._learns = "training" in options
        self._given: dict[str, Any] = {"batch_size": self.batch_size, "seed": seed, "targeted": targeted}
        if perturbation is not None:
            self._given["perturbation"] = perturbation
        for key, argument, given in (
            ("perturbation", "perturbation", perturbation),
            ("thresholds", "predictions", self.thresholds),
            ("targeted", "targeted", targeted),
        ):
            if given and argument not in taken and not self._takes_all:
                raise ValueError(f"`attack.{key}` must be left out with `attack={name}`, which knows none.")
        needed = [key for key, one in taken.items() if one.default is one.empty]
        later = {"title", "numbers", "predictions"}
        if left_out := [key for key in needed if key not in {*options, *self._given, *later}]:
            raise ValueError(f"`attack.{left_out[0]}` must be given with `attack={name}`; got none.")
        if self._learns:
            check_least(training=(self.options["training"], 1))

    @property
    def uses_gradients(self) -> bool:
        """Whether the search may follow the model's gradient; of others' searches that is taken for granted."""
        return self._path not in _WITHOUT_GRADIENTS

    def check(self, model: nn.Module, images: ImageSet) -> None:
        """Raises ValueError where the search cannot be made with these options: it is begun with one image."""
        if "perturbation" in self._given:
            self._given["perturbation"].try_out(images.shape)
        natural = to_float(images.images[:1])
        with evaluating(model), begun(model), warnings.catch_warnings(action="ignore"):
            with torch.inference_mode():
                prediction = ask(model, natural.to(device_of(model))).argmax(1).cpu()
            classes = (prediction + 1) % len(images.classes) if self.targeted else prediction
            place = images.places[:1]
            try:
                training = (natural, classes) if self._learns else None
                self._attack(model, natural, classes, numbers=place, training=training, title=None)
            except (ValueError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                if not gives_gradients(model):
                    raise ValueError(
                        f"`attack={self.name}` needs gradients, which this network does not give: it is computed by "
                        "other software than PyTorch. Choose one that needs none, such as attack=one_pixel."
                    ) from error
                raise ValueError(
                    f"`attack={self.name}` fails on one image: {type(error).__name__}: {error}. Look at `{self._path}`."
                ) from error

    def missing(self, images: ImageSet, known: pd.DataFrame | None) -> list[tuple[int, int]]:
        """The pairs of label and target (`ANY`: any other class) that were not yet attacked like this. Where one change
        is learnt for all images, the label is `ANY` too."""
        labels = [ANY] if self._learns else _objects(images)
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
        thresholds = self.thresholds if isinstance(model, Thresholded) and self.thresholds else [float("nan")]
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
    ) -> AttackResult:
        given = {**self._given, "title": title, "numbers": numbers, "training": training}
        options = {**self.options, **{key: one for key, one in given.items() if key in self._taken or self._takes_all}}
        if "loss" in options:
            options["loss"] = _LOSSES.get(options["loss"], options["loss"])
        predictions = predicted
        if self.thresholds and isinstance(model, Thresholded):
            predictions = functools.partial(model.predictions_at, thresholds=self.thresholds)
            options |= {"loss": model.target_loss, "predictions": predictions}
        with preserved(model), torch.inference_mode(mode=False), torch.enable_grad():
            found = self._search(model, images, classes, **options)

        def say(shown: Tensor) -> Tensor:
            with torch.inference_mode():
                parts = [ask(model, part.to(device_of(model))) for part in shown.split(self.batch_size)]
                return predictions(torch.cat(parts)).cpu()

        believed = self._is_ours or "perturbation" in self._given
        return settled(
            found, images, self._budget(), f"attack={self.name}", say=None if believed or not len(images) else say,
            wanted=lambda now: (now == classes[:, None]) == self.targeted,
        )  # fmt: skip

    def _budget(self) -> Budget | None:
        """How far the search may move an image; None where it does not say. No norm is less than linf, but l0."""
        eps: Any = self.options.get("eps")
        if not is_number(eps):
            return None
        norm = norm_named(self.options.get("norm", "linf"))
        return Budget(eps, norm or "linf")


def first_of_each(images: ImageSet, count: int, labels: Sequence[int]) -> Tensor:
    """The numbers of the first `count` images of each of these classes."""
    return torch.cat([(images.labels == label).nonzero()[:count, 0] for label in labels])


def _objects(images: ImageSet) -> list[int]:
    """Every class that shows something."""
    return [label for label in range(len(images.classes)) if label != images.background]


def _others(images: ImageSet, target: int) -> list[int]:
    """Every class but the target and that of bare backgrounds."""
    return [label for label in _objects(images) if label != target]


def _is_kept(label: int, target: int, classes: int) -> bool:
    """Whether images of this label are kept with this target: with any of few, with some of many."""
    step = -(-classes // max(2, _KEPT_PAIRS // classes))
    return target == ANY or ((target - label) % classes - 1) % step == 0


def _kept(images: Tensor, few: Container[int]) -> list[bytes | None]:
    return [
        (image * 255).round().to(torch.uint8).numpy().tobytes() if place in few else None
        for place, image in enumerate(images)
    ]
