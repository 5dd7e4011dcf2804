"""Stability: how often a model changes its prediction while a picture changes a little from frame to frame."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.measure.evaluate import check_classes
from robust.measure.intervals import mean_share
from robust.measure.parts import in_parts
from robust.models import ask, device_of, evaluating
from robust.perturb import ImageRandom, key
from robust.perturb.sequences import SEQUENCES
from robust.progress import Progress

#: what tells the tests of a model's stability apart
STABILITY_KEY = ["sequence", "evaluation_seed"]
#: the name of a sequence, and the seed that it is drawn with
SequenceTest = tuple[str, int]
_COLUMNS = [*STABILITY_KEY, "frames", "n", "flip_probability", "low", "high", "flips", "distances"]
_TOP = 5  # classes whose ranks are compared
#: the greatest top-5 distance of two frames: the last two of the five come first, and the others are not among them
MOST_DISTANCE = 18


def planned_sequences(*, seed: int = 0) -> list[SequenceTest]:
    """The tests under all SEQUENCES; where nothing is random, of seed 0."""
    return [(name, seed if one.random else 0) for name, one in SEQUENCES.items()]


def measure_stability(
    model: nn.Module,
    images: ImageSet,
    tests: Sequence[SequenceTest],
    *,
    batch_size: int = 1000,
    every_s: float = 0,
    title: str | None = None,
) -> Iterator[pd.DataFrame]:
    """How stable `model` is in these tests (see `planned_sequences`), a row for each, in parts of about `every_s`
    seconds, so that what was measured can be kept.

    Columns: sequence, evaluation_seed; frames, of each image; n images; flip_probability, the mean over the images of
    the share of their frames that are not predicted as the frame before (of noise: as the first one, the image itself),
    and its 95 % interval over images, `low` to `high` (see `mean_share`), fractions; of each image, uint8 and int16 of
    shape (n,), how many frames flip (`flips`) and the sum of their top-5 distances (`distances`, see
    `top5_distance`). Frames are kept of one batch, one at a time. With a `title` a bar shows how far it is. Raises
    OutputError as `predict`.
    """
    images = images.near(device_of(model))
    with evaluating(model), Progress(title, len(tests) * len(images), "image") as progress:
        yield from in_parts(_rows(model, images, tests, batch_size, progress), _COLUMNS, every_s=every_s)


def _rows(
    model: nn.Module, images: ImageSet, tests: Sequence[SequenceTest], batch_size: int, progress: Progress
) -> Iterator[tuple[Any, ...]]:
    for test in tests:
        parts = []
        for start in range(0, len(images), batch_size):
            parts.append(_changes(model, images[start : start + batch_size], test))
            progress.add(len(parts[-1][1]))
        frames = parts[0][0]
        flips, distances = (np.concatenate([one[place] for one in parts]) for place in (1, 2))
        yield *test, frames, len(images), *mean_share(flips / (frames - 1)), flips, distances


def top5_distance(before: Tensor, now: Tensor) -> Tensor:
    """By how many ranks the five likeliest classes of one frame have moved in another, all from the sixth rank on taken
    as one: int64 of shape (batch,), from 0 to 18. Of fewer classes all count. `before` and `now`, shape (batch,
    classes), are the classes of each, the likeliest first. Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261),
    section 4.2."""
    ranks = now.argsort(1).gather(1, before[:, :_TOP])
    return (ranks.clamp_max(_TOP) - torch.arange(ranks.shape[1], device=ranks.device)).abs().sum(1)


def _changes(model: nn.Module, images: ImageSet, test: SequenceTest) -> tuple[int, np.ndarray, np.ndarray]:
    """How many frames these images have; how many of each image's flip, uint8 of shape (n,), and the sum of its top-5
    distances, int16."""
    name, seed = test
    device, sequence, before = device_of(model), SEQUENCES[name], None
    random = ImageRandom(key("sequence", name, seed), images.places.to(device))
    flips, distances = (torch.zeros(len(images), dtype=one, device=device) for one in (torch.uint8, torch.int16))
    frames = 0
    with torch.inference_mode():
        for frame in sequence.frames(to_float(images.images.to(device)), random):
            logits = ask(model, frame, numbers=images.places, under=f"frame {frames} of sequence {name}")
            check_classes(logits, len(images.classes))
            likeliest, frames = logits.argsort(dim=1, descending=True, stable=True), frames + 1
            if before is not None:
                flips += likeliest[:, 0] != before[:, 0]
                distances += top5_distance(before, likeliest)
            if before is None or not sequence.beside_first:
                before = likeliest
    return frames, flips.cpu().numpy(), distances.cpu().numpy()
