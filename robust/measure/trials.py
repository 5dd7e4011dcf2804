"""Tests of a model under conditions: every trial one row."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

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
    """What came out of tests, as tables.

    `rows`: test_perturbation, test_level, trial, evaluation_seed, n, accuracy (a fraction). `confusion`: condition,
    true, predicted (classes' names), count (over all trials). `predictions`, where they were kept: test_perturbation,
    test_level, trial, image, label, predicted (numbers).
    """

    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*TEST_KEY, "n", "accuracy"]))
    confusion: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["condition", "true", "predicted", "count"])
    )
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
            predicted.append(model(batch).argmax(1))
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
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    images = images.to(device)
    todo = [
        (condition, trial)
        for condition, trial in _tests(conditions, trials)
        if (condition.name, condition.level, trial, seed) not in known
    ]
    rows, predictions = [], []
    counts: dict[str, Tensor] = {}
    training = model.training
    model.eval()
    try:
        for condition, trial in tqdm(
            todo, desc=title, unit="test", leave=False, delay=1, disable=None if title else True
        ):
            predicted = predict(model, images, condition, trial, seed=seed, batch_size=batch_size)
            accuracy = (predicted == images.labels).sum().item() / len(images)
            rows.append((condition.name, condition.level, trial, seed, len(images), accuracy))
            pairs = torch.bincount(images.labels * len(images.classes) + predicted, minlength=len(images.classes) ** 2)
            counts[condition.title] = counts.get(condition.title, torch.zeros_like(pairs)) + pairs
            if keep_predictions:
                predictions.append(_prediction_table(condition, trial, images.labels, predicted))
    finally:
        model.train(training)
    return Measurement(
        pd.DataFrame(rows, columns=[*TEST_KEY, "n", "accuracy"]),
        _confusion_table(counts, images.classes),
        pd.concat(predictions, ignore_index=True) if predictions else None,
    )


def _tests(conditions: Sequence[Condition], trials: int) -> Iterator[tuple[Condition, int]]:
    for condition in conditions:
        for trial in range(condition.trials(trials)):
            yield condition, trial


def _prediction_table(condition: Condition, trial: int, labels: Tensor, predicted: Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "test_perturbation": condition.name,
            "test_level": condition.level,
            "trial": trial,
            "image": range(len(labels)),
            "label": labels.cpu().numpy(),
            "predicted": predicted.cpu().numpy(),
        }
    )


def _confusion_table(counts: dict[str, Tensor], classes: Sequence[str]) -> pd.DataFrame:
    pairs = [(true, predicted) for true in classes for predicted in classes]
    rows = [
        (title, *pair, count)
        for title, matrix in counts.items()
        for pair, count in zip(pairs, matrix.tolist(), strict=True)
        if count
    ]
    return pd.DataFrame(rows, columns=["condition", "true", "predicted", "count"])
