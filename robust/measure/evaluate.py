"""Tests of a model under conditions: every trial one row."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from robust.adapt import MIXED, RESET, Adapting
from robust.data import ImageSet, to_float
from robust.errors import check
from robust.measure.calibration import (
    CALIBRATION,
    aurc,
    confidence_bins,
    expected_calibration_error,
    odds_counts,
    rms_calibration_error,
)
from robust.measure.conditions import Condition
from robust.models import OutputError, ask, device_of, evaluating, gives_logits
from robust.progress import Progress
from robust.values.numbers import is_whole, plain

#: what tells one test of a model from another
TEST_KEY = ["test_perturbation", "test_level", "trial", "evaluation_seed"]
#: a condition, and what tells this test of it from the others
Test = tuple[Condition, tuple[str, float, int, int]]


@dataclass
class Measurement:
    """What came out of tests, as tables; each starts with what tells tests apart (TEST_KEY).

    `rows`: then n, accuracy (a fraction), and, to six digits, what CALIBRATION names, NaN for a model that gives no
    logits. `predictions`: then label and predicted, an array each with a number for every image, the arrays of
    `confidence_bins`, and `odds_counts`.
    """

    rows: pd.DataFrame
    predictions: pd.DataFrame


class Answers(NamedTuple):
    """What a network says of images, each of shape (n,): the class it predicts, int64; how sure it is of that
    (confidence, the greatest value of the softmax); and, of all values of the softmax against the image's label, the
    Brier score, from 0 to 2, and the negative log-likelihood (nll); float32."""

    predicted: Tensor
    confidence: Tensor
    brier_score: Tensor
    nll: Tensor

    def at(self, places: Tensor) -> "Answers":
        """Those of the images at these places."""
        return Answers(*(one[places] for one in self))


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers of parts of the images, one after the other."""
    return Answers(*map(torch.cat, zip(*parts, strict=True)))


_BINS = ["bin_counts", "bin_right", "bin_confidence", "odds_counts"]
ROW_COLUMNS = [*TEST_KEY, "n", "accuracy", *CALIBRATION]
PREDICTION_COLUMNS = [*TEST_KEY, "label", "predicted", *_BINS]


def predict(
    model: nn.Module,
    images: ImageSet,
    condition: Condition,
    trial: int,
    *,
    seed: int,
    batch_size: int,
    among: Tensor | None = None,
    progress: Progress | None = None,
) -> Answers:
    """What `model` says of the images under a condition, each of shape (n,), on the model's device.

    Every model sees the same test images (see `Condition.view`), whatever part of their data set they are. With
    `among`, int64, it may only choose between these classes. `progress` is told of each batch. Raises OutputError for a
    network that does not answer with finite logits, one for each class, and names the image and the condition.
    """
    batch_size = _whole("batch_size", batch_size, 1)
    if isinstance(model, Adapting):
        test = condition, (condition.name, condition.level, trial, seed)
        return predict_adapting(model, images, [test], among=among, progress=progress)[0]
    device, places = device_of(model), images.places
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            rows = slice(start, start + batch_size)
            batch = to_float(images.images[rows].to(device))
            batch = condition.view(batch, places[rows], seed=seed, trial=trial)
            logits = ask(model, batch, numbers=places[rows], under=f"{condition.title}, trial {trial}")
            parts.append(_answers(logits, images.labels[rows], len(images.classes), among))
            if progress is not None:
                progress.add(len(batch))
    return joined(parts)


def predict_adapting(
    model: Adapting,
    images: ImageSet,
    tests: Sequence[Test],
    *,
    among: Tensor | None = None,
    progress: Progress | None = None,
) -> list[Answers]:
    """The same of a network that adapts, for each of these tests, whose images come as `model.stream` says: to a
    network that is as it was trained, test by test or all of them mixed."""
    stream, count, device = model.stream, len(images), device_of(model)
    _, (_, _, trial, seed) = tests[0]
    if stream.protocol == MIXED:
        batches = stream.places(images.labels.repeat(len(tests)), seed=seed, trial=trial).split(stream.batch_size)
    else:
        order = stream.places(images.labels, seed=seed, trial=trial).split(stream.batch_size)
        batches = tuple(some + place * count for place in range(len(tests)) for some in order)
    parts = []
    model.reset()
    with torch.inference_mode():
        for batch in batches:
            which, rows = batch // count, batch % count
            places, shown = images.places[rows], to_float(images.images[rows].to(device))
            for place in which.unique().tolist():
                (condition, test), mine = tests[place], which == place
                shown[mine] = condition.view(shown[mine], places[mine], seed=test[3], trial=test[2])
            under = tests[int(which[0])][0].title if len(which.unique()) == 1 else "several conditions"
            logits = ask(model, shown, numbers=places, under=f"{under}, trial {trial}")
            parts.append(_answers(logits, images.labels[rows], len(images.classes), among))
            if progress is not None:
                progress.add(len(batch))
    found = joined(parts).at(torch.cat(batches).argsort().to(device))
    return [Answers(*one) for one in zip(*(some.split(count) for some in found), strict=True)]


def _answers(logits: Tensor, labels: Tensor, classes: int, among: Tensor | None) -> Answers:
    """What logits say of images of these labels, `among` the classes that may be chosen."""
    check_classes(logits, classes)
    own = logits.gather(1, labels.to(logits.device)[:, None])[:, 0]
    logits = logits if among is None else logits[:, among]
    greatest, best = logits.max(1)
    shares, own = (logits - greatest[:, None]).float().exp_(), (own - greatest).float()
    total = shares.sum(1)  # the softmax is shares / total: three times as fast as torch's
    brier_score = shares.square().sum(1) / total**2 - 2 * own.exp() / total + 1
    return Answers(best if among is None else among[best], total.reciprocal(), brier_score, total.log() - own)


def measure(
    model: nn.Module,
    images: ImageSet,
    conditions: Sequence[Condition],
    *,
    trials: int = 25,
    seed: int = 0,
    batch_size: int = 1000,
    title: str | None = None,
) -> Measurement:
    """Tests `model`, from images in [0, 1] to logits, under every condition, `trials` times where it is random.

    The model is put in eval mode for the while. With a `title` a bar shows how far
    it is, where there is no terminal a line now and then. Raises ValueError for a condition
    that the images cannot be tested under, or whose perturbation breaks its promises, before any test; else as
    `predict`.
    """
    for condition in conditions:
        condition.check(images.shape)
    tests = planned_tests(conditions, trials=trials, seed=seed)
    if not tests:
        return Measurement(pd.DataFrame(columns=ROW_COLUMNS), pd.DataFrame(columns=PREDICTION_COLUMNS))
    (measured,) = measure_in_parts(model, images, tests, batch_size=batch_size, every_s=math.inf, title=title)
    return measured


def measure_in_parts(
    model: nn.Module,
    images: ImageSet,
    tests: Sequence[Test],
    *,
    batch_size: int,
    every_s: float,
    title: str | None = None,
) -> Iterator[Measurement]:
    """The same, of these `tests`, in parts of about `every_s` seconds, so that what was measured can be kept."""
    if not len(images):
        raise ValueError("There are no images to test on.")
    device = device_of(model)
    images = images.near(device)
    rows, predictions, begun = [], [], time.monotonic()
    with evaluating(model), Progress(title, len(tests) * len(images), "image") as progress:
        left = len(tests)
        for together, answers in _answered(model, images, tests, batch_size, progress):
            for (_, test), one in zip(together, answers, strict=True):
                row, kept = figures(model, test, images.labels, one, classes=len(images.classes))
                rows.append(row)
                predictions.append(kept)
            left -= len(together)
            if not left or time.monotonic() - begun > every_s:
                yield Measurement(
                    pd.DataFrame(rows, columns=ROW_COLUMNS), pd.DataFrame(predictions, columns=PREDICTION_COLUMNS)
                )
                rows, predictions, begun = [], [], time.monotonic()


def _answered(
    model: nn.Module, images: ImageSet, tests: Sequence[Test], batch_size: int, progress: Progress
) -> Iterator[tuple[Sequence[Test], list[Answers]]]:
    """What `predict` gives of each test; those that are of one stream together."""
    if isinstance(model, Adapting) and model.stream.protocol != RESET:
        for trial in sorted({test[2] for _, test in tests}):
            mine = [one for one in tests if one[1][2] == trial]
            yield mine, predict_adapting(model, images, mine, progress=progress)
        return
    for condition, test in tests:
        how: Any = {"seed": test[3], "batch_size": batch_size, "progress": progress}
        yield [(condition, test)], [predict(model, images, condition, test[2], **how)]


def figures(
    model: nn.Module, test: tuple[str, float, int, int], labels: Tensor, answers: Answers, *, classes: int
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What a test comes to, of the images' labels and what `predict` gave: its row and its predictions (see
    `Measurement`)."""
    right = answers.predicted == labels.to(answers.predicted.device)
    calibration, bins = calibration_figures(model, answers, right)
    row = (*test, len(labels), right.sum().item() / len(labels), *calibration)
    return row, (*test, as_numbers(labels, classes), as_numbers(answers.predicted, classes), *bins)


def planned_tests(conditions: Sequence[Condition], *, trials: int, seed: int) -> list[Test]:
    """Every test of these conditions, with what tells it apart (TEST_KEY): of those that are tested once, one; where
    nothing is random, one, of seed 0."""
    trials, seed = _whole("trials", trials, 1), _whole("seed", seed)
    return [
        (condition, (condition.name, condition.level, trial, seed if condition.random else 0))
        for condition in conditions
        for trial in range(trials if condition.random and not condition.once else 1)
    ]


def _whole(name: str, value: Any, least: float = -math.inf) -> int:
    """A whole number as Python has it, or ParameterError."""
    rule = "a whole number" + (f" >= {least}" if least > -math.inf else "")
    check(name, value, rule, is_whole(value, least))
    return int(plain(value))


def calibration_figures(
    model: nn.Module, answers: Answers, right: Tensor
) -> tuple[list[float], Sequence[np.ndarray | None]]:
    """What CALIBRATION names, and the arrays of `confidence_bins` and `odds_counts`; NaN and None for scores, which are
    no logits."""
    if not gives_logits(model):
        return [math.nan] * len(CALIBRATION), [None] * len(_BINS)
    confident, hits = answers.confidence.cpu().numpy(), right.cpu().numpy()
    bins = confidence_bins(confident, hits)
    scores = (one.double().mean().item() for one in (answers.brier_score, answers.nll))
    errors = (expected_calibration_error(**bins), rms_calibration_error(confident, hits), *scores)
    return [round(one, 6) for one in (*errors, aurc(confident, hits))], [*bins.values(), odds_counts(confident)]


def check_classes(logits: Tensor, classes: int) -> None:
    """Raises OutputError unless there is a logit for each class: `logits` of shape (batch, classes)."""
    if logits.shape[1] != classes:
        raise OutputError(
            f"The model must return logits of shape ({len(logits)}, {classes}), one for each image and class; "
            f"got {tuple(logits.shape)}."
        )


def as_numbers(classes: Tensor, count: int) -> np.ndarray:
    """Classes as an array, of as few bytes as they need."""
    return classes.cpu().numpy().astype(np.uint8 if count <= 256 else np.uint16)
