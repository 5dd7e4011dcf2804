"""What a perturbation of one's own gives is looked at; those of this library keep their promises."""

import numpy as np
import pytest
import torch

from robust.measure import Condition
from robust.perturb import GaussianBlur, GaussianNoise, HotPixels, ImageRandom, Perturbation, Rotation, Shift, key

SHAPE = (3, 6, 5)


class Own(Perturbation):
    """A little brighter."""

    name, level = "own", 0.1

    def __init__(self, change=lambda images: (images + 0.1).clamp(0, 1)):
        super().__init__()
        self.change = change

    def apply_transform(self, images: torch.Tensor) -> torch.Tensor:
        return self.change(images)


WRONG = {
    "no tensor": (lambda images: images.numpy(), "`own` must return images, a tensor; got ndarray"),
    "another shape": (lambda images: images[:, :1], r"of the shape it was given, \(2, 3, 6, 5\); got \(2, 1, 6, 5\)"),
    "another dtype": (lambda images: images.double(), "of the dtype it was given, torch.float32; got torch.float64"),
    "bytes": (lambda images: (images * 255).byte(), "of the dtype it was given, torch.float32; got torch.uint8"),
    "out of range": (lambda images: images * 2, r"`own` must return images in \[0, 1\]; got values from 0 to 2"),
    "below": (lambda images: images - 0.5, r"in \[0, 1\]; got values from -0.5 to 0.5"),
    "NaN": (lambda images: images / images, r"in \[0, 1\]; got NaN"),
    "one NaN": (lambda images: images.index_fill(3, torch.tensor(0), torch.nan), r"in \[0, 1\]; got NaN"),
    "torch's draws": (
        lambda images: (images + 0.1 * torch.rand_like(images)).clamp(0, 1),
        "must draw from the random numbers it is given",
    ),
    "NumPy's draws": (
        lambda images: images * np.random.rand(),
        "must draw from the random numbers it is given",
    ),
    "the batch": (lambda images: images.roll(1, 0), "`own` must change each image by itself"),
    "in place": (lambda images: images.mul_(0.5), "must leave the images it is given as they are"),
    "an error": (lambda images: images[:, 7], r"`own` cannot change images of shape \(3, 6, 5\).*IndexError"),
    "nothing": (lambda images: None, "a tensor; got NoneType"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_perturbation_may_not_do_is_said_before_any_test(what):
    change, message = WRONG[what]
    with pytest.raises(ValueError, match=message):
        Condition(Own(change)).check(SHAPE)


def test_and_while_it_is_used():
    perturbation = Own(lambda images: torch.where(images > 0.97, torch.nan, images))
    images = torch.full((40, *SHAPE), 0.5)
    images[17] = 0.98
    for batch in images.split(8)[:2]:
        perturbation.perturb(batch, ImageRandom(0, torch.arange(8)))
    with pytest.raises(ValueError, match="`own` must return images"):
        perturbation.perturb(images[16:24], ImageRandom(0, torch.arange(8)))


def test_a_sound_one_passes_and_rounding_is_clipped():
    Condition(Own()).check(SHAPE)
    slightly = Own(lambda images: images * (1 + 5e-7))
    assert slightly.perturb(torch.ones(1, *SHAPE), ImageRandom(0, torch.arange(1))).max() == 1


def test_a_sound_one_is_tried_once_for_each_shape_and_level():
    calls = []
    own = Own(lambda images: calls.append(1) or images)
    for level, shape in ((0.1, SHAPE), (0.1, SHAPE), (0.2, SHAPE), (0.2, (1, 4, 4)), (0.1, SHAPE)):
        own.level = level
        Condition(own).check(shape)
    assert len(calls) == 3 * 4


@pytest.mark.parametrize(("name", "level"), [("natural", 1), ("none", 1), ("", 1), (None, 1), ("own", None)])
def test_a_perturbation_bears_a_name_and_a_level_of_its_own(name, level):
    own = Own()
    own.name, own.level = name, level
    with pytest.raises(ValueError, match=r"`Own.(name|level)` must be a"):
        Condition(own).check(SHAPE)


@pytest.mark.parametrize("perturbation", [GaussianBlur(sigma=1), GaussianNoise(std=0.1), Rotation(level=20)], ids=repr)
def test_under_autocast_images_keep_their_precision_and_values(perturbation):
    images = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    expected = perturbation(images, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(perturbation(images, seed=1), expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, torch.tensor], ids=lambda kind: kind.__name__)
def test_a_level_is_the_same_number_in_any_type(kind):
    images = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    for make in (lambda level: GaussianNoise(std=level), lambda level: Shift(level=level)):
        plain, other = make(0.1), make(kind(0.1))
        assert (other.level, type(other.level)) == (0.1, float)
        assert torch.equal(other(images, seed=2), plain(images, seed=2))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, torch.tensor], ids=lambda kind: kind.__name__)
def test_a_seed_draws_the_same_in_any_type(kind):
    images = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    expected = HotPixels(count=3)(images, seed=2)
    assert torch.equal(HotPixels(count=kind(3))(images, seed=kind(2)), expected)
    assert key("test", kind(5), -0.0) == key("test", 5, 0.0)
    places = torch.tensor([2, 200])
    drawn = ImageRandom(key("a"), places).uniform(3)
    assert torch.equal(ImageRandom(kind(7), places).uniform(3), ImageRandom(7, places).uniform(3))
    for dtype in (torch.uint8, torch.int32, torch.int16):
        assert torch.equal(ImageRandom(key("a"), places.to(dtype)).uniform(3), drawn)


@pytest.mark.parametrize("wrong", [True, 1.5, "1", None])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="`key` must be a whole number"):
        ImageRandom(wrong, torch.arange(2))
    with pytest.raises(ValueError, match="`std` must be a number"):
        GaussianNoise(std="1" if wrong == 1.5 else wrong)
