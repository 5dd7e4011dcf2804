"""The level at which each image's prediction falls: as brute force finds it, whatever predictions do in between."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robust.data import ImageSet
from robust.measure import Condition
from robust.measure.limits import LIMIT_COLUMNS, Search, between, falls, measure_limits
from robust.perturb import Erasing, GaussianNoise, ImageRandom, Mesh, PixelDropout, Shift

LEVELS = [0.05, 0.1, 0.2, 0.4, 0.8]
CLASSES = ("a", "b", "c")


class Erratic(nn.Module):
    """A network whose prediction changes to and fro as an image changes: logits of shape (batch, 3)."""

    def forward(self, images: Tensor) -> Tensor:
        change = (images.flatten(1) * torch.linspace(-9, 9, images[0].numel())).sum(1)
        return torch.stack([(change + turn).sin() for turn in (0.0, 2.0, 4.0)], dim=1)


class Counting(Erratic):
    """Counts the images that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = 0

    def forward(self, images: Tensor) -> Tensor:
        self.shown += len(images)
        return super().forward(images)


def some_images(n: int = 200) -> ImageSet:
    pixels = torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    images = ImageSet(pixels.to(torch.uint8), torch.zeros(n, dtype=torch.int64), CLASSES)
    labels = Erratic()(images.images / 255).argmax(1)
    labels[:20] = (labels[:20] + 1) % 3  # not recognised
    return ImageSet(images.images, labels, CLASSES)


def search(kind: type = GaussianNoise, name: str = "std") -> Search:
    return Search(tuple(Condition(kind(**{name: level})) for level in LEVELS), seed=3)


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_an_image_falls_at_the_first_of_all_levels_at_which_it_is_taken_for_another_class(batch_size: int) -> None:
    images, asked, network = some_images(), search(), Erratic()
    seen = [one.view(images.images / 255, images.places, seed=3, trial=0) for one in (Condition(), *asked.conditions)]
    predicted = np.stack([network(batch).argmax(1).numpy() for batch in seen])
    wrong = predicted != images.labels.numpy()
    first = np.where(wrong.any(0), wrong.argmax(0), len(LEVELS) + 1)
    assert (np.diff(wrong.astype(int), axis=0) < 0).any(), "some predictions are right again at a higher level"
    found, taken_for = falls(network, images, asked, batch_size=batch_size)
    assert found.tolist() == first.tolist()
    assert set(found[:20]) == {0}
    assert taken_for.tolist() == [
        int(predicted[place, image]) if place <= len(LEVELS) else int(images.labels[image])
        for image, place in enumerate(first)
    ]


def test_images_that_have_fallen_are_shown_no_more() -> None:
    network, images = Counting(), some_images()
    found, _ = falls(network, images, search(), batch_size=50)
    assert network.shown == np.minimum(found + 1, len(LEVELS) + 1).sum() < 0.8 * len(images) * (len(LEVELS) + 1)


def test_an_image_falls_at_the_same_level_alone_as_among_others() -> None:
    images, network = some_images(), Erratic()
    found, _ = falls(network, images, search(), batch_size=50)
    few = torch.tensor([150, 3, 77])
    assert falls(network, images[few], search(), batch_size=50)[0].tolist() == found[few.numpy()].tolist()


def test_the_pictures_that_fall_first_are_kept_as_they_were_seen_there() -> None:
    images, asked = some_images(), search(Shift, "level")
    (table,) = measure_limits(Erratic(), images, [asked], every_s=9)
    (line,) = table.to_dict("records")
    assert [*line] == LIMIT_COLUMNS
    assert (line["test_perturbation"], line["evaluation_seed"], line["levels"].tolist()) == ("shift", 3, LEVELS)
    assert len(line["fragile"]) == 8
    order = sorted(np.flatnonzero(line["falls"] > 0), key=lambda one: (line["falls"][one], one))
    assert line["fragile"].tolist() == order[:8]
    first = images[torch.from_numpy(line["fragile"][:1]).long()]
    there = asked.conditions[line["falls"][line["fragile"][0]] - 1]
    seen = there.view(first.images / 255, first.places, seed=3, trial=0)
    assert line["natural"][:64] == first.images.numpy().tobytes()
    assert line["fallen"][:64] == (seen * 255).round().to(torch.uint8).numpy().tobytes()


def test_levels_between_others_are_spread_by_their_ratios() -> None:
    assert between([0.4, 0.1], 1) == [0.1, 0.2, 0.4]
    assert between([1, 2, 8], 2, whole=True) == [1, 2, 3, 5, 8]
    for levels in ([0.1], [0.1, 0.1], [0, 1]):
        with pytest.raises(ValueError, match="`levels` must be"):
            between(levels, 2)


@pytest.mark.parametrize("kind", [PixelDropout, Erasing, Mesh])
def test_what_hides_a_part_of_an_image_hides_it_at_every_higher_level_too(kind: type) -> None:
    white, places = torch.ones(64, 1, 16, 16), torch.arange(64)
    hidden = [kind(level=level).perturb(white, ImageRandom(5, places)) < 1 - 1e-4 for level in (0.1, 0.2, 0.4)]
    for less, more in itertools.pairwise(hidden):
        assert less.any()
        assert (more | ~less).float().mean() > 0.999


def test_noise_is_the_same_at_every_level_but_for_its_strength() -> None:
    grey, places = torch.full((4, 1, 16, 16), 0.5), torch.arange(4)
    weak, strong = (GaussianNoise(std=std).perturb(grey, ImageRandom(5, places)) - 0.5 for std in (0.02, 0.08))
    assert torch.allclose(4 * weak, strong, atol=1e-6)
