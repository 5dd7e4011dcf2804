"""How far a training lies from a test, in the features of a network."""

import math

import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from robust.data import Augmentation, ImageSet
from robust.measure import Condition
from robust.measure.distance import Change, sample_distances
from robust.perturb import AugMix, GaussianBlur, GaussianNoise, HotPixels, OneOf, Rotation, Shift
from robust.perturb.corruptions import Fog, ShotNoise


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    """Digits in greys, for noise to show as it does in photographs: nothing is black or white."""
    known = load_digits()
    images, labels = torch.as_tensor(known.images[:300]).float()[:, None] / 16, torch.as_tensor(known.target[:300])
    enlarged = nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    return ImageSet((64 + 127 * enlarged).to(torch.uint8), labels.long(), tuple("0123456789"))


@pytest.fixture(scope="module")
def network(digits: ImageSet) -> nn.Module:
    """A network that learnt to tell the natural digits."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten()),
            )
            self.head = nn.Linear(128, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(4 * (images - 0.5)))

    torch.manual_seed(0)
    made, images = Network(), digits.images.float() / 255
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(images), digits.labels).backward()
        optimizer.step()
    return made.eval()


NOISE, SHOT, FOG, TURN = GaussianNoise(std=0.1), ShotNoise(severity=3), Fog(severity=3), Rotation(level=45)

AS_GOOD_AS_NONE = 0.25  # of 300 images, and two draws for each


def distances(network: nn.Module, images: ImageSet, *changes: Change, tested=(NOISE, SHOT, FOG, TURN)) -> pd.DataFrame:
    found = sample_distances(network, images, [Condition(), *map(Condition, tested)], changes, draws=10)
    return found.set_index("test_perturbation")


def test_training_on_noise_is_nearest_to_noise_then_to_shot_noise_then_to_fog(network, digits):
    found = distances(network, digits, NOISE)["distance"]
    assert found["noise"] < AS_GOOD_AS_NONE
    assert found["noise"] < found["shot_noise"] < found["fog"] <= 1


@pytest.mark.parametrize("change", [GaussianBlur(sigma=1), TURN, FOG, HotPixels(count=5)], ids=lambda one: one.name)
def test_training_on_the_very_perturbation_is_at_no_distance(network, digits, change):
    assert distances(network, digits, change, tested=[change])["distance"].item() < AS_GOOD_AS_NONE


def test_natural_training_comes_no_nearer_than_natural_images(network, digits):
    found = distances(network, digits)
    assert (found["distance"] == 1).all()
    assert (found["minimal_distance"] == found["natural_distance"]).all()


def test_of_a_mixture_each_member_counts_by_itself(network, digits):
    mixture = OneOf(ranges={"hot": (5, 5), "noise": (0.1, 0.1), "blur": (1, 1)})
    found = distances(network, digits, mixture, tested=[HotPixels(count=5), NOISE, GaussianBlur(sigma=1), FOG])
    assert (found["distance"][:3] < AS_GOOD_AS_NONE).all()
    assert found["distance"]["fog"] > 0.3


def test_how_strong_it_is_counts(network, digits):
    weak, strong = (distances(network, digits, Rotation(level=one))["distance"]["rotate"] for one in (5, 30))
    assert strong < weak


def test_augmentations_and_views_are_trainings_too_and_the_least_distance_counts(network, digits):
    moved = distances(network, digits, Augmentation(shift=0.4), tested=[Shift(level=0.4), NOISE])["distance"]
    assert moved["shift"] < 0.3 < moved["noise"]
    both = distances(network, digits, AugMix(), NOISE)["distance"]
    alone = [distances(network, digits, one)["distance"] for one in (AugMix(), NOISE)]
    assert both.to_numpy() == pytest.approx(pd.concat(alone, axis=1).min(axis=1).to_numpy(), abs=0.1)


def test_the_same_settings_give_the_same_distances_in_batches_of_any_size(network, digits):
    conditions = [Condition(NOISE), Condition(FOG)]
    one, other = (
        sample_distances(network, digits, conditions, [AugMix()], draws=3, batch_size=size) for size in (300, 64)
    )
    pd.testing.assert_frame_equal(one, other, rtol=1e-4)


def test_a_condition_that_changes_nothing_has_no_distance(network, digits):
    assert math.isnan(distances(network, digits, NOISE, tested=[GaussianNoise(std=0)])["distance"].item())


def test_what_has_no_head_is_refused(digits):
    with pytest.raises(ValueError, match="`model` must be a network with a part `head`"):
        sample_distances(nn.Flatten(), digits, [Condition(NOISE)], [])
