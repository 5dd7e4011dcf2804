"""How many copies of an image are given each class, and what that certifies (Cohen, Rosenfeld and Kolter 2019, arXiv
1902.02918)."""

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from robust.certify.smoothing import Smoothing
from robust.data import ImageSet, to_float
from robust.errors import check
from robust.measure.intervals import clopper_pearson_low
from robust.measure.parts import in_parts
from robust.models import ask, device_of, evaluating
from robust.perturb import ImageRandom, key
from robust.progress import Progress
from robust.values.numbers import is_number, is_whole

#: what tells the certificates of a run apart, beside the image
CERTIFICATE_KEY = ["certificate", "level", "n0", "n", "alpha", "seed"]
CERTIFICATE_COLUMNS = [*CERTIFICATE_KEY, "image", "label", "predicted", "count", "least", "radius"]
_TIMED = 16  # images


def check_counts(*, n0: int, n: int, alpha: float) -> None:
    """Raises ValueError for numbers of copies, or a probability of error, of which no certificate comes."""
    check("n0", n0, "a whole number >= 1, of copies", is_whole(n0, 1))
    check("n", n, f"a whole number >= n0, {n0}", is_whole(n, n0), "A class is certified by more copies than choose it.")
    check("alpha", alpha, "a number above 0 and below 1", is_number(alpha) and 0 < alpha < 1)


def votes(
    model: nn.Module,
    images: Tensor,
    places: Tensor,
    smoothing: Smoothing,
    *,
    copies: range,
    seed: int = 0,
    batch_size: int = 500,
) -> Tensor:
    """How many of these `copies` of each image, in [0, 1], shape (n, channels, height, width), a model gives each
    class: int64 of shape (n, classes).

    A copy is keyed by (seed, its number, the image's place, int64 of shape (n,)). All draws are made once for all of
    these images, and shifted for each by an offset of its own: over values, or pixels, that are drawn alike. So the
    copies of an image are as independent as if they had been drawn for it alone, while what is drawn costs next to
    nothing; the copies of two images are not independent of one another.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    offsets = ImageRandom(key("certify", seed), places).integers(shape[0] * shape[1] * shape[2]).tolist()
    counts, ones = None, torch.ones(batch_size, dtype=torch.int64, device=images.device)
    for start in range(copies.start, copies.stop, batch_size):
        numbers = torch.arange(start, min(start + batch_size, copies.stop), device=images.device)
        drawn = smoothing.sample(ImageRandom(key("certify copies", seed), numbers), shape)
        twice = {name: value.flatten(1).repeat(1, 2) for name, value in drawn.items()}
        for row, offset in enumerate(offsets):
            shifted = {name: _shifted(value, offset, drawn[name].shape[1:]) for name, value in twice.items()}
            logits = ask(model, smoothing.apply_transform(images[row : row + 1], **shifted))
            if counts is None:
                counts = torch.zeros(len(images), logits.shape[1], dtype=torch.int64, device=images.device)
            counts[row].scatter_add_(0, logits.argmax(1), ones[: len(logits)])
    assert counts is not None
    return counts


def _shifted(twice: Tensor, offset: int, shape: torch.Size) -> Tensor:
    """Draws that stand there twice, one behind the other, from another place on."""
    size = twice.shape[1] // 2
    return twice[:, offset % size : offset % size + size].unflatten(1, shape)


def measure_certificates(
    model: nn.Module,
    images: ImageSet,
    smoothing: Smoothing,
    *,
    n0: int = 100,
    n: int = 10_000,
    alpha: float = 0.001,
    seed: int = 0,
    batch_size: int = 500,
    together: int = 500,
    every_s: float = 0,
    title: str | None = None,
) -> Iterator[pd.DataFrame]:
    """A row for each image, in parts of about `every_s` seconds, so that what was certified can be kept.

    The class that most of `n0` copies have is that of the smoothed classifier if more than half of all copies have it,
    which `n` other copies decide: `least` is the share that they have at least, but for a probability of `alpha`
    (Clopper and Pearson). Columns: CERTIFICATE_KEY; image, its place in the data set; label; predicted, that class;
    count, of n; least; radius, as `smoothing.certified` gives it, NaN where the classifier abstains. So many images
    `together` share what is drawn, which changes no result. Raises ValueError as `check_counts`.
    """
    check_counts(n0=n0, n=n, alpha=alpha)
    smoothing.check(images.shape)
    about = (smoothing.certificate, float(smoothing.level), n0, n, alpha, seed)
    device, given = device_of(model), dict[str, Any](seed=seed, batch_size=batch_size)

    def rows() -> Iterator[tuple[Any, ...]]:
        for block in torch.arange(len(images)).split(together):
            shown = images[block.to(images.images.device)].to(device)
            drawn = (model, to_float(shown.images), shown.places, smoothing)
            chosen = votes(*drawn, copies=range(n0), **given).argmax(1, keepdim=True)
            counts = votes(*drawn, copies=range(n0, n0 + n), **given).gather(1, chosen)[:, 0]
            columns = (shown.places, shown.labels, chosen[:, 0], counts)
            for *known, count in zip(*(one.tolist() for one in columns), strict=True):
                least = clopper_pearson_low(count, n, alpha)
                yield *about, *known, count, least, smoothing.certified(least, images.shape[1] * images.shape[2])
            progress.add(len(block))

    with evaluating(model), torch.inference_mode(), Progress(title, len(images), "image") as progress:
        yield from in_parts(rows(), CERTIFICATE_COLUMNS, every_s=every_s)


def seconds_of_a_pass(model: nn.Module, images: ImageSet, smoothing: Smoothing, *, batch_size: int = 500) -> float:
    """How long a copy of an image takes, measured on a few."""
    few = images[: min(_TIMED, len(images))].to(device_of(model))
    drawn = (model, to_float(few.images), few.places, smoothing)
    with evaluating(model), torch.inference_mode():
        votes(*drawn, copies=range(batch_size))
        begun = time.perf_counter()
        votes(*drawn, copies=range(batch_size), batch_size=batch_size)
    return (time.perf_counter() - begun) / batch_size / len(few)
