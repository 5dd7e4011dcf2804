"""How far a training lies from what a network is tested under, in what a natural network makes of images."""

import math
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
_LEAST = 1e-3  # of the features' size: a condition that moves them by less changes nothing that can be measured
#: two independent estimates of one mean of features
_Pair = tuple[Tensor, Tensor]


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
    the images under the condition, and of the images after a sample of the training. It is the least over the samples:
    natural images; each change by itself with another draw for each image, and, of one that draws among several, each
    of these; and where it is random `draws` times with one draw for all images, as published. Where draws differ from
    image to image each mean is estimated twice, so that their randomness alone makes no distance. How strong a change
    is counts: training on turns by 5 degrees lies far from those by 45.

    Columns: test_perturbation, test_level; natural_distance, of natural images to the condition; minimal_distance;
    distance, minimal over natural distance: 0 where training contains the condition, 1 where it comes no nearer than
    natural images do, NaN where the condition changes nothing. Of a model that standardises pixel by pixel features
    grow without bounds off its training images, and distances say little. Raises ValueError for fewer than one draw or
    image, and for a model without a head; OutputError as `features`.
    """
    for name, value in (("draws", draws), ("most", most)):
        check(name, value, "a whole number >= 1", is_whole(value, 1))
    head = getattr(model, "head", None) is not None
    check("model", type(model).__name__, "a network with a part `head`, which is given its features", head)
    device, places = device_of(model), images.places[:most]
    shown = to_float(images.images[:most].to(device))
    tested = [one for one in conditions if one.perturbation is not None]
    samples = list(_samples(changes, places.to(device), draws, seed))
    with torch.inference_mode(), Progress(title, len(tested) + len(samples), "sample") as progress:

        def mean(changed: Tensor) -> Tensor:
            return features(model, changed, batch_size=batch_size).double().mean(0)

        natural, goals = mean(shown), []
        for one in tested:
            views = [one.view(shown, places, seed=seed, trial=trial) for trial in range(1 + one.random)]
            goals.append((mean(views[0]), mean(views[-1])))
            progress.add(1)
        apart = [_distance((natural, natural), goal) for goal in goals]
        least = apart
        for change, *randoms in samples:
            means = [mean(_changed(change, shown, random)) for random in randoms]
            least = [min(old, _distance((means[0], means[-1]), goal)) for old, goal in zip(least, goals, strict=True)]
            progress.add(1)
    bound = _LEAST * float(natural.norm())
    figures = [(near / far if far > bound else math.nan, far, near) for far, near in zip(apart, least, strict=True)]
    lines = [(one.name, one.level, *three) for one, three in zip(tested, figures, strict=True)]
    return pd.DataFrame(lines, columns=_COLUMNS)


def _distance(one: _Pair, other: _Pair) -> float:
    """The distance of two means: the root of a square that is right in the mean, or 0 where that is below."""
    return math.sqrt(max(0.0, float((one[0] - other[0]) @ (one[1] - other[1]))))


def _samples(
    changes: Sequence[Change], places: Tensor, draws: int, seed: int
) -> Iterator[tuple[Change, *tuple[ImageRandom, ...]]]:
    """Each change with the random numbers of a sample of it: twice a draw for each image; then one for all images."""
    for number, change in enumerate(changes):
        parts = [one for way in change.ways for one in way] if isinstance(change, Choice) else []
        for part, one in enumerate((change, *parts)):
            twice = 1 + bool(getattr(one, "random", True))
            yield one, *(ImageRandom(key("distance", seed, number, part, half), places) for half in range(twice))
        for draw in range(draws if getattr(change, "random", True) else 0):
            yield change, ImageRandom(key("distance", seed, number, "draw", draw), torch.zeros_like(places))


def _changed(change: Change, images: Tensor, random: ImageRandom) -> Tensor:
    if isinstance(change, Perturbation):
        return change.perturb(images, random)
    changed = change(images, random)
    return change.mix(changed, changed.roll(1, 0), random)[0] if isinstance(change, Mixing) else changed
