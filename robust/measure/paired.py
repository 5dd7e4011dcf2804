"""Models by twos, such as those of two techniques and one seed: how far their accuracies lie apart, image by image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from robust.measure.conditions import condition_title
from robust.measure.intervals import Interval, paired, percentile, resampled_means

#: what the mean over all conditions is called
MEAN = "mean over all"


@dataclass(frozen=True)
class ImageScores:
    """One model's accuracy under each condition, in which trials, and on every resample of the images (a column each);
    `labels` are those of the `images`, to compare with others'."""

    labels: bytes
    images: int
    accuracy: pd.Series
    trials: pd.Series
    resampled: pd.DataFrame


def correct_images(predictions: pd.DataFrame) -> tuple[bytes, pd.DataFrame, pd.Series]:
    """The labels; how often each image was recognised, a row for each condition, the mean over its trials; and which
    trials these are, a set of trial and evaluation's seed for each. `predictions`: a row for each test, as
    `Measurement` has them, with TEST_KEY, label and predicted; each of all images, and at least one."""
    names, rows, made = [], [], []
    for (name, level), group in predictions.groupby(["test_perturbation", "test_level"], sort=False):
        names.append(condition_title(name, level))
        trials = [one == other for one, other in zip(group["label"], group["predicted"], strict=True)]
        rows.append(np.mean(trials, axis=0))
        made.append(frozenset(group[["trial", "evaluation_seed"]].itertuples(index=False, name=None)))
    return predictions["label"].iloc[0].tobytes(), pd.DataFrame(np.stack(rows), names), pd.Series(made, names)


def image_scores(predictions: pd.DataFrame, weights: Callable[[int], Sequence[np.ndarray]]) -> ImageScores:
    """What `paired_differences` needs of a model's predictions (see `correct_images`). `weights`: those of so many
    images (see `resampling_weights`), the same for all models."""
    labels, correct, trials = correct_images(predictions)
    resampled = pd.DataFrame(resampled_means(correct.to_numpy(), weights(correct.shape[1])), index=correct.index)
    return ImageScores(labels, correct.shape[1], correct.mean(axis=1), trials, resampled)


def paired_differences(first: Sequence[ImageScores], second: Sequence[ImageScores]) -> Iterator[dict[str, Any]]:
    """How far the first of each pair of models lies above the second: one line for each condition that all of them were
    tested under in the same trials, and one for their mean; none where their images are not the same.

    Each line has condition, difference (of accuracy, a fraction), low and high, its 95 % interval for other models and
    other images (see `intervals.paired`), seeds, the number of pairs, and images.
    """
    models = (*first, *second)
    if len({one.labels for one in models}) > 1:  # data of one name may be other images
        return
    shared = [name for name, made in first[0].trials.items() if all(one.trials.get(name) == made for one in models)]
    if not shared:
        return
    for condition in [*shared, MEAN]:
        difference, (low, high) = mean_difference(first, second, shared if condition == MEAN else [condition])
        ends = {"difference": difference, "low": low, "high": high}
        yield {"condition": condition, **ends, "seeds": len(first), "images": first[0].images}


def mean_difference(
    first: Sequence[ImageScores], second: Sequence[ImageScores], conditions: Sequence[str]
) -> tuple[float, Interval]:
    """How far the first of each pair of models lies above the second, of the same images, on the mean over these
    conditions, a fraction; and its 95 % interval: for other images, and of several pairs for other models too."""
    pairs = [(_of(one, conditions), _of(two, conditions)) for one, two in zip(first, second, strict=True)]
    seeds = np.stack([one[0] - two[0] for one, two in pairs]).mean(axis=1)
    images = np.mean([one[1] - two[1] for one, two in pairs], axis=0).mean(axis=0)
    if len(pairs) == 1:
        return float(seeds[0]), percentile(images)
    difference, low, high = paired(seeds, images)
    return difference, (low, high)


def _of(scores: ImageScores, conditions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A model's accuracy under these conditions, and on every resample; of arrays, as pairs may be thousands."""
    places = scores.accuracy.index.get_indexer(list(conditions))
    return scores.accuracy.to_numpy()[places], scores.resampled.to_numpy()[places]
