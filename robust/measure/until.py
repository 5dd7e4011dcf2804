"""Tests that end when their answer is known."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet
from robust.measure.evaluate import (
    PREDICTION_COLUMNS,
    ROW_COLUMNS,
    Answers,
    Measurement,
    Test,
    figures,
    joined,
    predict,
)
from robust.measure.sequential import LOOK, decided, is_narrow, known_interval
from robust.models import device_of, evaluating
from robust.perturb import ImageRandom, key
from robust.progress import Progress

#: what the row of a condition that ended early says: why (narrow, above, below; "" where it did not), between which
#: fractions its accuracy over all images and trials lies, and how many of these there are
UNTIL = ("until", "until_low", "until_high", "until_images", "until_trials")
NARROW = "narrow"
_SIDES = {1: "above", -1: "below"}
_WHOLE = ("", np.nan, np.nan, np.nan, np.nan)
_NO_IMAGES = np.zeros(0, dtype=bool)
_TestKey = tuple[str, float, int, int]


def ended_early(rows: pd.DataFrame) -> pd.Series:
    """Which of these rows are of a condition that ended early."""
    return rows["until"].fillna("") != "" if "until" in rows else pd.Series(data=False, index=rows.index)


def images_of(rows: pd.DataFrame) -> pd.Series:
    """Of how many different images each of these rows is."""
    return rows["n"].clip(upper=rows["until_images"].fillna(np.inf)).astype(int) if "until" in rows else rows["n"]


def as_whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which a condition that ended early stands as the whole test whose accuracy it estimates: a row for each
    trial, of all images."""
    if not ended_early(rows).any():
        return rows
    rows = rows.reset_index(drop=True)
    ended = ended_early(rows)
    trials = rows["until_trials"].where(ended, 1).astype(int)
    repeated = rows.assign(n=rows["until_images"].where(ended, rows["n"]).astype(int)).loc[rows.index.repeat(trials)]
    again = repeated.groupby(level=0).cumcount()
    return repeated.assign(trial=repeated["trial"] + again).reset_index(drop=True)


def looking_order(places: Tensor, seed: int) -> Tensor:
    """The order in which the images at these places of their data set are looked at: int64 of shape (n,), rows. It is
    random, so that the first ones stand for all, and the same for every model, condition and trial of this seed."""
    return ImageRandom(key("looks", seed), places.cpu()).uniform().argsort(stable=True)


def in_looking_order(predictions: pd.DataFrame, places: Tensor) -> dict[_TestKey, np.ndarray]:
    """By test which images were recognised, boolean of shape (n,), n as many as were looked at, in that order.
    `predictions`: those of a run, as `measure_until` has them; `places`: of all its images, int64."""
    orders = {seed: looking_order(places, seed).numpy() for seed in predictions["evaluation_seed"].unique()}
    found = {}
    for one in predictions.itertuples():
        about, seed = (one.test_perturbation, one.test_level), one.evaluation_seed
        right = np.asarray(one.label) == np.asarray(one.predicted)
        if getattr(one, "images", None) is None:
            found[*about, one.trial, seed] = right[orders[seed]]
        else:  # one trial after the other
            for trial, start in enumerate(range(0, len(right), len(places))):
                found[*about, trial, seed] = right[start : start + len(places)]
    return found


def measure_until(
    model: nn.Module,
    images: ImageSet,
    tests: Sequence[Test],
    *,
    width: float,
    batch_size: int,
    every_s: float,
    natural: Mapping[_TestKey, np.ndarray] = MappingProxyType({}),
    title: str | None = None,
) -> Iterator[Measurement]:
    """As `measure_in_parts`, but a condition's tests end when its accuracy over all of them is known to within `width`:
    half the width of `known_interval`. Images are looked at in a random order (see `looking_order`), one trial after
    the other. Whether to end is asked after every LOOK images, so that neither a batch nor the device decides it. With
    `natural`, which images another model recognised, by test, each of shape (n,) (see `in_looking_order`), they end
    too when it is known whether the model lies above or below that. All trials of a condition must be among `tests`,
    one after the other.

    A condition that ended early has one row, of all its trials that were begun, as trial 0: `n` is how many images were
    looked at, those of each trial counted, and it has the columns of UNTIL. Its predictions, one after the other, have
    `images`: which of the set they are; None for all, in the set's order.
    """
    images = images.near(device_of(model))
    conditions = [[*some] for _, some in itertools.groupby(tests, lambda one: (*one[1][:2], one[1][3]))]
    rows, predictions, begun = [], [], time.monotonic()
    with evaluating(model), Progress(title, len(tests) * len(images), "image") as progress:
        for place, mine in enumerate(conditions, start=1):
            looks = _Looks(images, mine, width=width, natural=natural)
            looks.take(model, batch_size, progress)
            for row, kept in looks.tables(model):
                rows.append(row)
                predictions.append(kept)
            if place == len(conditions) or time.monotonic() - begun > every_s:
                yield Measurement(
                    pd.DataFrame(rows, columns=[*ROW_COLUMNS, *UNTIL]),
                    pd.DataFrame(predictions, columns=[*PREDICTION_COLUMNS, "images"]),
                )
                rows, predictions, begun = [], [], time.monotonic()


class _Looks:
    """What was seen of one condition: answers by test, in the order of looking; how many images were
    recognised; and which of those that only one of two models recognised were the first's (1) or the other's (-1)."""

    def __init__(
        self, images: ImageSet, tests: Sequence[Test], *, width: float, natural: Mapping[_TestKey, np.ndarray]
    ):
        self.images, self.tests, self.width, self.natural = images, tests, width, natural
        self.order = looking_order(images.places, tests[0][1][3]).to(images.images.device)
        self.seen = self.right = 0
        self.signs = np.zeros(0, dtype=int)
        self.found: list[Answers] = []
        self.why, self.ends = "", (np.nan, np.nan)

    def take(self, model: nn.Module, batch_size: int, progress: Progress) -> None:
        """Looks until the answer is known, or at all."""
        for condition, test in self.tests:
            parts = []
            for start in range(0, len(self.images), LOOK):
                part = self.images[self.order[start : start + LOOK]]
                told: dict[str, Any] = {"seed": test[3], "batch_size": batch_size, "progress": progress}
                parts.append(predict(model, part, condition, test[2], **told))
                right = (parts[-1].predicted.cpu() == part.labels.cpu()).numpy()
                self._note(right, self.natural.get(test, _NO_IMAGES)[start : start + LOOK])
                if self.why:
                    break
            self.found.append(joined(parts))
            if self.why:
                break
        progress.add(len(self.tests) * len(self.images) - self.seen)

    def _note(self, right: np.ndarray, other: np.ndarray) -> None:
        """Adds what one look saw, and asks whether that is enough."""
        of = len(self.tests) * len(self.images)
        self.seen, self.right = self.seen + len(right), self.right + int(right.sum())
        differ = right[: len(other)].astype(int) - other
        self.signs = np.concatenate([self.signs, differ[differ != 0]])
        if self.seen == of:
            return
        narrow = is_narrow(self.right, self.seen, of, width=self.width)
        self.why = NARROW if narrow else _SIDES.get(decided(self.signs), "")
        if self.why:
            self.ends = known_interval(self.right, self.seen, of, width=self.width)

    def tables(self, model: nn.Module) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """The row and the predictions of each test, in the order of the set; of a condition that ended early one of
        each, in the order of looking."""
        labels, classes, whole = self.images.labels, len(self.images.classes), len(self.images)
        if self.why:
            looked = torch.cat([self.order[: len(one.predicted)] for one in self.found])
            row, kept = figures(model, self.tests[0][1], labels[looked], joined(self.found), classes=classes)
            about = (self.why, *self.ends, whole, len(self.tests))
            yield (*row, *about), (*kept, looked.cpu().numpy().astype(np.int32))
            return
        for (_, test), one in zip(self.tests, self.found, strict=True):
            places = self.order.argsort().to(one.predicted.device)
            row, kept = figures(model, test, labels, one.at(places), classes=classes)
            yield (*row, *_WHOLE), (*kept, None)
