"""How far a training lies from what a network is tested under, in what a natural network makes of images."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.data.mixing import Mixing
from robust.errors import check
from robust.measure.conditions import Condition
from robust.measure.knn import features
from robust.models import device_of
from robust.perturb import ImageRandom, Perturbation, key
from robust.perturb.mixture import Choice
from robust.progress import Progress
from robust.values.numbers import is_whole

#: a perturbation, or an augmentation: what a training does to images
Change = Callable[[Tensor, ImageRandom], Tensor] | Perturbation
_COLUMNS = ["test_perturbation", "test_level", "distance", "natural_distance", "minimal_distance"]
_SAME = 1e-4  # of the features' size, below which a condition changes nothing that can be measured


def sample_distances(
    model: nn.Module,
    images: ImageSet,
    conditions: Sequence[Condition],
    changes: Sequence[Change],
    *,
    draws: int = 100,
    most: int = 500,
    seed: int = 0,
    batch_size: int = 500,
    title: str | None = None,
) -> pd.DataFrame:
    """The minimal sample distance of a training, whose `changes` of images are these, to each condition but natural
    images (Mintun et al. 2021, arXiv 2102.11273): a line for each.

    The distance is that of two means of features, what the head of `model` is given, over the first `most` images: of
    the images under the condition (its first trial), and of the images after a sample of the training. It is the least
    over the samples: natural images; each change by itself with another draw for each image, and, of one that draws
    among several, each of these; and where it is random `draws` times with one draw for all images, as published.

    Columns: test_perturbation, test_level; natural_distance, of natural images to the condition; minimal_distance;
    distance, minimal over natural distance: 0 where training contains the condition, 1 where it comes no nearer than
    natural images do, NaN where the condition changes nothing. Raises ValueError for fewer than one draw or image, and
    for a model without a head; OutputError as `features`.
    """
    for name, value in (("draws", draws), ("most", most)):
        check(name, value, "a whole number >= 1", is_whole(value, 1))
    check("model", type(model).__name__, "a network with a head, which its features go to", hasattr(model, "head"))
    device, places = device_of(model), images.places[:most]
    shown = to_float(images.images[:most].to(device))

    def mean(changed: Tensor) -> Tensor:
        return features(model, changed, batch_size=batch_size).double().mean(0)

    tested = [one for one in conditions if one.perturbation is not None]
    samples = list(_samples(changes, places.to(device), draws, seed))
    with torch.inference_mode(), Progress(title, len(tested) + len(samples), "sample") as progress:
        natural = mean(shown)
        goals = torch.stack(
            [natural, *_told(progress, (mean(one.view(shown, places, seed=seed, trial=0)) for one in tested))]
        )
        apart = torch.linalg.vector_norm(goals - natural, dim=1)
        least = apart.clone()
        for near in _told(progress, (mean(_changed(change, shown, random)) for change, random in samples)):
            least = torch.minimum(least, torch.linalg.vector_norm(goals - near, dim=1))
    small = _SAME * torch.linalg.vector_norm(natural)
    share = torch.where(apart > small, least / apart, torch.nan)
    names = [(one.name, one.level) for one in tested]
    figures = zip(share[1:].tolist(), apart[1:].tolist(), least[1:].tolist(), strict=True)
    return pd.DataFrame([(*name, *three) for name, three in zip(names, figures, strict=True)], columns=_COLUMNS)


def _told(progress: Progress, found: Iterator[Tensor]) -> Iterator[Tensor]:
    for one in found:
        progress.add(1)
        yield one


def _samples(changes: Sequence[Change], places: Tensor, draws: int, seed: int) -> Iterator[tuple[Change, ImageRandom]]:
    """Each change with the random numbers of a sample of it: for each image its own, then the same for all images."""
    for number, change in enumerate(changes):
        parts = [one for way in change.ways for one in way] if isinstance(change, Choice) else []
        for part, one in enumerate((change, *parts)):
            yield one, ImageRandom(key("distance", seed, number, part), places)
        for draw in range(draws if getattr(change, "random", True) else 0):
            yield change, ImageRandom(key("distance", seed, number, "draw", draw), torch.zeros_like(places))


def _changed(change: Change, images: Tensor, random: ImageRandom) -> Tensor:
    if isinstance(change, Perturbation):
        return change.perturb(images, random)
    changed = change(images, random)
    return change.mix(changed, changed.roll(1, 0), random)[0] if isinstance(change, Mixing) else changed
