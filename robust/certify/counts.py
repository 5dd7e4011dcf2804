"""How many copies of an image are given each class, and what that certifies (Cohen, Rosenfeld and Kolter 2019, arXiv
1902.02918)."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from robust.certify.smoothing import Smoothing
from robust.data import ImageSet, to_float
from robust.errors import check
from robust.measure.intervals import clopper_pearson_low
from robust.models import ask, device_of, evaluating
from robust.perturb import ImageRandom, key
from robust.progress import Progress
from robust.values.numbers import is_number, is_whole

_TIMED = 16  # images


@dataclass(frozen=True)
class Counts:
    """How certificates are made: `n0` copies choose the class, `n` others certify it, wrongly with a probability of
    at most `alpha`; keyed by `seed`. Raises ValueError unless n >= n0 >= 1, 0 < alpha < 1 and seed >= 0."""

    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        check("n0", self.n0, "a whole number >= 1, of copies", is_whole(self.n0, 1))
        advice = "A class is certified by more copies than choose it."
        check("n", self.n, f"a whole number >= n0 ({self.n0})", is_whole(self.n, self.n0), advice)
        check("alpha", self.alpha, "a number above 0 and below 1", is_number(self.alpha) and 0 < self.alpha < 1)
        check("seed", self.seed, "a whole number >= 0", is_whole(self.seed, 0))


def certificate_key(smoothing: Smoothing, counts: Counts) -> dict[str, Any]:
    """What tells the certificates of a run apart, beside the image."""
    return {"certificate": smoothing.certificate, "level": float(smoothing.level), **asdict(counts)}


def votes(
    model: nn.Module,
    images: Tensor,
    places: Tensor,
    smoothing: Smoothing,
    *,
    copies: range,
    apart: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
) -> Tensor:
    """How many of these `copies` of each image, in [0, 1], shape (n, channels, height, width), a model gives each
    class: int64 of shape (n, classes). With `apart`, shape (2, n, classes): of the first so many, and of the others.

    A copy is keyed by (seed, its number, the image's place, int64 of shape (n,)). All draws are made once for all of
    these images, and shifted for each by an offset of its own: over values, or pixels, that are drawn alike. So the
    copies of an image are as independent as if they had been drawn for it alone, while what is drawn costs next to
    nothing; the copies of two images are not independent of one another. So many copies are looked at together as
    `batch_size` says, by default as are fastest on a CPU.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    offsets = ImageRandom(key("certify", seed), places).integers(shape[0] * shape[1] * shape[2]).tolist()
    counts, parts = None, [(0, apart), (apart, len(copies))] if apart else [(0, len(copies))]
    batch_size = batch_size or smoothing.copies_at_a_time
    for start in range(0, len(copies), batch_size):
        numbers = torch.tensor(copies[start : start + batch_size], device=images.device)
        drawn = smoothing.sample(ImageRandom(key("certify copies", seed), numbers), shape)
        twice = {name: value.flatten(1).repeat(1, 2) for name, value in drawn.items()}
        classes = torch.empty(len(images), len(numbers), dtype=torch.int64, device=images.device)
        for row, offset in enumerate(offsets):
            shifted = {name: _shifted(value, offset, drawn[name].shape[1:]) for name, value in twice.items()}
            logits = ask(model, smoothing.apply_transform(images[row : row + 1], **shifted))
            torch.argmax(logits, 1, out=classes[row])
        if counts is None:
            counts = torch.zeros(len(parts), len(images), logits.shape[1], dtype=torch.int64, device=images.device)
        for counted, (begin, end) in zip(counts, parts, strict=True):
            some = classes[:, max(0, begin - start) : max(0, end - start)]
            counted.scatter_add_(1, some, torch.ones_like(some))
    assert counts is not None
    return counts if apart else counts[0]


def _shifted(twice: Tensor, offset: int, shape: torch.Size) -> Tensor:
    """Draws that stand there twice, one behind the other, from another place on."""
    size = twice.shape[1] // 2
    return twice[:, offset % size : offset % size + size].unflatten(1, shape)


def measure_certificates(
    model: nn.Module,
    images: ImageSet,
    smoothing: Smoothing,
    counts: Counts = Counts(),
    *,
    batch_size: int | None = None,
    together: int = 500,
    title: str | None = None,
) -> Iterator[pd.DataFrame]:
    """A row for each image, in parts of so many images `together`, so that what was certified can be kept.

    The class that most of n0 copies have is that of the smoothed classifier if more than half of all copies have it,
    which n other copies decide: `least` is the lower confidence limit of its share (Clopper and Pearson). Columns:
    those of `certificate_key`; image, its place in the data set; label; predicted, that class; count, of n; least;
    radius, as `smoothing.certified` gives it, NaN where the classifier abstains; most, the radius where all n copies
    have the class, which none exceeds. Images of a part share what is drawn: the larger the parts, the less that costs,
    which changes no result. Raises ValueError for a smoothing of other images.
    """
    smoothing.check(images.shape)
    n0, n, pixels = counts.n0, counts.n, images.shape[1] * images.shape[2]
    given = dict[str, Any](copies=range(n0 + n), apart=n0, seed=counts.seed, batch_size=batch_size)
    with evaluating(model), torch.inference_mode(), Progress(title, len(images), "image") as progress:
        for start in range(0, len(images), together):
            shown = images[start : start + together].to(device_of(model))
            chose, certify = votes(model, to_float(shown.images), shown.places, smoothing, **given)
            chosen = chose.argmax(1, keepdim=True)
            found = certify.gather(1, chosen)[:, 0].tolist()
            least = [clopper_pearson_low(count, n, counts.alpha) for count in found]
            rows = {
                "image": shown.places.tolist(),
                "label": shown.labels.tolist(),
                "predicted": chosen[:, 0].tolist(),
                "count": found,
                "least": least,
                "radius": [smoothing.certified(one, pixels) for one in least],
                "most": smoothing.certified(clopper_pearson_low(n, n, counts.alpha), pixels),
            }
            yield pd.DataFrame({**certificate_key(smoothing, counts), **rows})
            progress.add(len(shown))


def seconds_of_a_pass(
    model: nn.Module, images: ImageSet, smoothing: Smoothing, *, batch_size: int | None = None
) -> float:
    """How long a copy of an image takes, measured on a few."""
    few, copies, begun = images[:_TIMED].to(device_of(model)), range(batch_size or smoothing.copies_at_a_time), 0.0
    drawn = (model, to_float(few.images), few.places, smoothing)
    with evaluating(model), torch.inference_mode():
        for _ in range(2):  # the first is not counted
            begun = time.perf_counter()
            votes(*drawn, copies=copies, batch_size=len(copies)).cpu()  # which waits for a GPU
    return (time.perf_counter() - begun) / len(copies) / len(few)
