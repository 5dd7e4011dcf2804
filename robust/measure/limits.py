"""Limits: of each image the level of a perturbation at which its prediction falls."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.errors import check
from robust.measure.conditions import Condition
from robust.measure.evaluate import as_numbers, predict
from robust.measure.parts import in_parts
from robust.models import device_of, evaluating
from robust.progress import Progress

#: what tells a run's searches apart, beside their levels
LIMIT_KEY = ["test_perturbation", "evaluation_seed"]
#: the columns of what is found
LIMIT_COLUMNS = [*LIMIT_KEY, "levels", "label", "falls", "predicted", "fragile", "shape", "natural", "fallen"]
_SHOWN = 8  # of the most fragile images


class Search(NamedTuple):
    """The levels of a perturbation at which images are looked at, the least harmful first, and the evaluation's seed:
    0 where nothing is random."""

    conditions: tuple[Condition, ...]
    seed: int

    @property
    def key(self) -> tuple[str, int, tuple[float, ...]]:
        """What tells it from other searches."""
        return self.conditions[0].name, self.seed, tuple(one.level for one in self.conditions)


def between(levels: Sequence[float], count: int, *, whole: bool = False) -> list[float]:
    """These levels, ascending, and `count` more between each two, by their ratios; `whole`: rounded, each once. Raises
    ValueError for less than two levels, and for one that is not above 0."""
    known = sorted({*map(float, levels)})
    check("levels", list(levels), "two different ones or more", len(known) > 1)
    check("levels", list(levels), "numbers above 0", known[0] > 0)
    steps = [
        low * (high / low) ** (step / (count + 1))
        for low, high in itertools.pairwise(known)
        for step in range(count + 1)
    ]
    found = [*steps, known[-1]]
    return [*dict.fromkeys(map(float, map(round, found)))] if whole else [float(f"{one:.6g}") for one in found]


def falls(
    model: nn.Module,
    images: ImageSet,
    search: Search,
    *,
    batch_size: int,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """How far each image comes, and the class that it is taken for where it falls (its own, where it does not): int16
    and int64 of shape (n,). 0: its prediction is wrong where it is unperturbed; k: at the k-th level, and at none
    before; one more than there are levels: at none.

    Levels are gone through in their order, and an image that has fallen is shown no more. So this is exactly what all
    images at all levels would give, whether or not predictions change back at higher levels.
    """
    left, found = torch.arange(len(images)), np.full(len(images), len(search.conditions) + 1, dtype=np.int16)
    taken_for = images.labels.cpu().numpy().copy()
    for place, condition in enumerate([Condition(), *search.conditions]):
        if not len(left):
            break
        some = images if len(left) == len(images) else images[left.to(images.images.device)]
        answers = predict(model, some, condition, 0, seed=search.seed, batch_size=batch_size)
        predicted = answers.predicted.cpu()
        wrong = predicted != some.labels.cpu()
        found[left[wrong].numpy()], taken_for[left[wrong].numpy()] = place, predicted[wrong].numpy()
        left = left[~wrong]
        if progress is not None:
            progress.add(int(wrong.sum()))
    if progress is not None:
        progress.add(len(left))
    return found, taken_for


def measure_limits(
    model: nn.Module,
    images: ImageSet,
    searches: Sequence[Search],
    *,
    batch_size: int = 1000,
    every_s: float = 0,
    title: str | None = None,
) -> Iterator[pd.DataFrame]:
    """What `falls` finds in each of these searches, a row for each, in parts of about `every_s` seconds, so that what
    was measured can be kept.

    Columns: test_perturbation, evaluation_seed; levels, the least harmful first; of each image label, falls and
    predicted (see `falls`); fragile, the numbers of those up to eight that fall first of those that are right
    unperturbed; of these the shape of each, and natural and fallen, their values unperturbed and where they fall,
    uint8, as bytes. With a `title` a bar shows how far it is. Raises OutputError as `predict`.
    """
    images = images.near(device_of(model))
    with evaluating(model), Progress(title, len(searches) * len(images), "image") as progress:
        rows = (_row(model, images, one, batch_size, progress) for one in searches)
        yield from in_parts(rows, LIMIT_COLUMNS, every_s=every_s)


def _row(model: nn.Module, images: ImageSet, search: Search, batch_size: int, progress: Progress) -> tuple[Any, ...]:
    name, seed, levels = search.key
    found, taken_for = falls(model, images, search, batch_size=batch_size, progress=progress)
    numbers = np.flatnonzero((found > 0) & (found <= len(levels)))
    fragile = numbers[np.argsort(found[numbers], kind="stable")][:_SHOWN]
    classes = [as_numbers(one, len(images.classes)) for one in (images.labels, torch.from_numpy(taken_for))]
    shown = images[torch.from_numpy(fragile).to(images.images.device)]
    fallen = [_seen(shown[place : place + 1], search, found[number]) for place, number in enumerate(fragile)]
    kept = np.array(images.shape), _bytes(shown.images), b"".join(fallen)
    return name, seed, np.array(levels), classes[0], found, classes[1], fragile.astype(np.int32), *kept


def _seen(image: ImageSet, search: Search, place: int) -> bytes:
    """An image as it is shown at the level at which it falls."""
    batch = search.conditions[place - 1].view(to_float(image.images), image.places, seed=search.seed, trial=0)
    return _bytes((batch * 255).round())


def _bytes(images: Tensor) -> bytes:
    return images.to(torch.uint8).cpu().numpy().tobytes()
