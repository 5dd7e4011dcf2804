"""Published test sets: other images than a data set's, or these as others corrupted them. A row for each test."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from torch import nn

from robust.data import PublishedTest
from robust.measure.calibration import CALIBRATION
from robust.measure.conditions import Condition
from robust.measure.evaluate import as_numbers, calibration_figures, predict
from robust.measure.intervals import wilson
from robust.measure.parts import in_parts
from robust.models import device_of, evaluating
from robust.progress import Progress

#: what tells one test of published sets from another, and its images from others of the same name
PUBLISHED_KEY = ["set", "corruption", "severity"]
_COLUMNS = [
    *(*PUBLISHED_KEY, "images", "recreated", "classes", "n", "accuracy", "low", "high"),
    *(*CALIBRATION, "label", "predicted"),
]


def measure_published(
    model: nn.Module,
    tests: Sequence[PublishedTest],
    *,
    batch_size: int = 1000,
    every_s: float = 0,
    title: str | None = None,
) -> Iterator[pd.DataFrame]:
    """How `model` does in these tests, a row for each, in parts of about `every_s` seconds, so that what was measured
    can be kept.

    Columns: set, corruption ("" for none), severity (0 for none); images, their digest; recreated; classes, how many
    they are of: of a set that has some of the data's, only these may be answered; n, accuracy, its 95 % interval `low`
    to `high` (Wilson), and what CALIBRATION names, fractions; label and predicted, arrays with a number for every image
    where the images are the data's own test images, else None. Images are read one test at a time. Raises ValueError
    for those that cannot be.
    """
    with evaluating(model), Progress(title, len(tests), "test") as progress:
        yield from in_parts(_rows(model, tests, batch_size, progress), _COLUMNS, every_s=every_s)


def _rows(
    model: nn.Module, tests: Sequence[PublishedTest], batch_size: int, progress: Progress
) -> Iterator[tuple[Any, ...]]:
    for test in tests:
        yield _row(model, test, batch_size)
        progress.add(1)


def _row(model: nn.Module, test: PublishedTest, batch_size: int) -> tuple[Any, ...]:
    device = device_of(model)
    images = test.read().near(device)
    among = None if test.shared is None else test.shared.to(device)
    answers = predict(model, images, Condition(), 0, seed=0, batch_size=batch_size, among=among)
    right = answers.predicted == images.labels.to(device)
    accuracy, count = right.double().mean().item(), len(images.classes)
    calibration, _ = calibration_figures(model, answers, right)
    known = [as_numbers(one, count) for one in (images.labels, answers.predicted)] if test.own else [None, None]
    classes = count if among is None else len(among)
    about = (test.name, test.corruption, test.severity, test.digest, test.recreated)
    return *about, classes, len(images), accuracy, *wilson(accuracy, len(images)), *calibration, *known
