"""Tests of a model under conditions: every trial one row."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from robust.data import ImageSet, to_float
from robust.measure.conditions import Condition
from robust.perturb import ImageRandom, key

#: what tells one test of a model from another
TEST_KEY = ["test_perturbation", "test_level", "trial", "evaluation_seed"]


@dataclass
class Measurement:
    """What came out of tests, as tables; each starts with what tells tests apart (TEST_KEY).

    `rows`: then n and accuracy (a fraction). `confusion`: then true and predicted (classes' names) and count.
    `predictions`, where they were kept: then image, label and predicted (numbers).
    """

    rows: pd.DataFrame
    confusion: pd.DataFrame
    predictions: pd.DataFrame | None = None


def predict(
    model: nn.Module, images: ImageSet, condition: Condition, trial: int, *, seed: int, batch_size: int
) -> Tensor:
    """The classes that `model` gives the images under a condition: int64 of shape (n,), on the images' device.

    The randomness is keyed by (seed, trial, image): every model sees the same test images.
    """
    draws = key("test", seed, trial)
    predicted = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = to_float(images.images[start : start + batch_size])
            if condition.perturbation:
                indices = torch.arange(start, start + len(batch), device=batch.device)
                batch = condition.perturbation.perturb(batch, ImageRandom(draws, indices))
            logits = model(batch)
            if not start:
                _check_logits(logits, len(batch), len(images.classes))
            predicted.append(logits.argmax(1))
    return torch.cat(predicted)


def measure(
    model: nn.Module,
    images: ImageSet,
    conditions: Sequence[Condition],
    *,
    trials: int = 25,
    seed: int = 0,
    batch_size: int = 1000,
    keep_predictions: bool = False,
    known: AbstractSet[tuple[str, float, int, int]] = frozenset(),
    title: str | None = None,
) -> Measurement:
    """Tests `model`, from images in [0, 1] to logits, under every condition, `trials` times where it is random.

    Tests in `known` (test_perturbation, test_level, trial, evaluation_seed) are passed over. The model is put in eval
    mode for the while. With a `title` a progress bar shows.
    """
    if not len(images):
        raise ValueError("There are no images to test on.")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    images = images.to(device)
    todo = [test for test in planned_tests(conditions, trials=trials, seed=seed) if test[1] not in known]
    rows: list[tuple[Any, ...]] = []
    confusion, predictions = [], []
    training = model.training
    model.eval()
    try:
        for condition, test in tqdm(
            todo, desc=title, unit="test", leave=False, delay=1, disable=None if title else True
        ):
            _, _, trial, test_seed = test
            predicted = predict(model, images, condition, trial, seed=test_seed, batch_size=batch_size)
            rows.append((*test, len(images), (predicted == images.labels).sum().item() / len(images)))
            pairs = torch.bincount(images.labels * len(images.classes) + predicted, minlength=len(images.classes) ** 2)
            confusion += [(*test, *pair) for pair in _name_pairs(pairs, images.classes)]
            if keep_predictions:
                table = {"image": range(len(images)), "label": images.labels.cpu(), "predicted": predicted.cpu()}
                predictions.append(pd.DataFrame({**dict(zip(TEST_KEY, test, strict=True)), **table}))
    finally:
        model.train(training)
    return Measurement(
        pd.DataFrame(rows, columns=[*TEST_KEY, "n", "accuracy"]),
        pd.DataFrame(confusion, columns=[*TEST_KEY, "true", "predicted", "count"]),
        pd.concat(predictions, ignore_index=True) if predictions else None,
    )


def planned_tests(
    conditions: Sequence[Condition], *, trials: int, seed: int
) -> list[tuple[Condition, tuple[str, float, int, int]]]:
    """Every test of these conditions, with what tells it apart (TEST_KEY); where nothing is random, one, of seed 0."""
    return [
        (condition, (condition.name, condition.level, trial, seed if condition.random else 0))
        for condition in conditions
        for trial in range(trials if condition.random else 1)
    ]


def _check_logits(logits: Tensor, images: int, classes: int) -> None:
    if logits.shape != (images, classes):
        raise ValueError(
            f"The model must return logits of shape ({images}, {classes}), one for each image and class; "
            f"got {tuple(logits.shape)}."
        )
    if not logits.isfinite().all():
        raise ValueError("The model must return finite logits; got NaN or infinity.")


def _name_pairs(counts: Tensor, classes: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """True class, predicted class and count, for the counts of all pairs that are not 0."""
    for place, count in enumerate(counts.tolist()):
        if count:
            yield classes[place // len(classes)], classes[place % len(classes)], count
