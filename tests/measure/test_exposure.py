"""What a network has seen of a test, by name."""

import pandas as pd
import pytest
import torch

from robust.data import Augmentation, CutMix, Cutout, RandAugment
from robust.measure import exposure_of, only_exposed
from robust.perturb import (
    FAMILIES,
    AugMix,
    DeadPixels,
    Environment,
    Erasing,
    GaussianBlur,
    GaussianNoise,
    MixedPixels,
    OneOf,
    Perspective,
    Perturbation,
    PixMix,
    Prime,
    Rotation,
    made_of,
    operations,
)
from robust.perturb.corruptions import CORRUPTIONS

CAMERA = OneOf(ranges={"hot": (1, 2), "noise": (0.1, 0.2), "blur": (0.5, 1)})
HALF_SEEN = Environment(ranges={"rotate": (0, 45), "texture": (0, 0.5)})


class Brighter(Perturbation):
    name, level, family = "brighter", 0.2, "colour"

    def apply_transform(self, images: torch.Tensor) -> torch.Tensor:
        return (images + self.level).clamp(0, 1)


class Mine(Perturbation):
    name, level = "mine", 1.0


def corruption(name: str) -> Perturbation:
    return CORRUPTIONS[name](severity=3)


@pytest.mark.parametrize(
    ("trained", "tested", "expected"),
    [
        (AugMix(), Rotation(level=45), "seen"),
        (AugMix(), Perspective(level=50), "family"),
        (AugMix(), corruption("contrast"), "family"),  # it stretches and equalises contrast
        (AugMix(), corruption("fog"), "far"),
        (AugMix(), GaussianNoise(std=0.05), "far"),
        (GaussianNoise(std=0.05), GaussianNoise(std=0.01), "seen"),
        (GaussianNoise(std=0.05), corruption("gaussian_noise"), "seen"),
        (GaussianNoise(std=0.05), corruption("shot_noise"), "family"),
        (GaussianNoise(std=0.05), corruption("fog"), "far"),
        (CAMERA, GaussianBlur(sigma=1), "seen"),
        (CAMERA, DeadPixels(count=2), "family"),
        (Rotation(level=45), HALF_SEEN, "family"),
        (MixedPixels(count=2), DeadPixels(count=2, persistent=True), "seen"),
        (PixMix(), Rotation(level=45), "seen"),
        (Prime(), corruption("elastic_transform"), "family"),
        (Augmentation(shift=0.1), Rotation(level=45), "family"),
        (Augmentation(flip=False), Rotation(level=45), "far"),
        (RandAugment(), corruption("saturate"), "seen"),
        (CutMix(first=Augmentation(shift=0.1)), Rotation(level=45), "family"),
        (Cutout(), Erasing(level=0.3), "family"),
        (Brighter(), corruption("brightness"), "family"),
        (Mine(), Mine(), "seen"),
        (Mine(), corruption("brightness"), "far"),
        (None, GaussianNoise(std=0.05), "far"),
        (AugMix(), None, ""),
    ],
)
def test_a_test_is_seen_or_of_a_family_or_far(trained: object, tested: Perturbation | None, expected: str) -> None:
    assert exposure_of(made_of(tested), made_of(trained)) == expected


def test_of_weights_of_others_nothing_is_called_far() -> None:
    given = {"unknown": "unknown"}
    assert exposure_of(GaussianNoise(std=0.05).made_of, given) == "unknown"
    assert exposure_of(GaussianNoise(std=0.05).made_of, {**given, **GaussianNoise(std=0.1).made_of}) == "seen"


def test_every_corruption_is_of_a_family_and_every_operation_of_one() -> None:
    assert all(set(corruption(name).made_of.values()) <= FAMILIES.keys() for name in CORRUPTIONS)
    named = [one for family in FAMILIES.values() for one in family]
    assert len(named) == len({*named})


def test_published_names_are_those_of_the_same_operations() -> None:
    assert operations("translate", "scale") == {"shift": "geometry", "zoom": "geometry"}
    assert operations("canny_edges") == {"canny_edges": "canny_edges"}


def rows() -> pd.DataFrame:
    tests = [("natural", "", ""), ("noise", "far", "seen"), ("fog", "far", "far")]
    lines = [
        {"run": run, "reference": "natural", "test_perturbation": name, "exposure": said[place]}
        for place, run in enumerate(("natural", "noisy"))
        for name, *said in tests
    ]
    return pd.DataFrame(lines).assign(test_level=1.0, trial=0, evaluation_seed=0)


def test_rows_of_one_exposure_stay_with_the_same_tests_of_the_natural_run() -> None:
    kept = only_exposed(rows(), "seen")
    assert kept[["run", "test_perturbation"]].values.tolist() == [
        ["natural", "natural"],
        ["natural", "noise"],
        ["noisy", "natural"],
        ["noisy", "noise"],
    ]
    assert only_exposed(rows(), "far").loc[lambda one: one["run"] == "noisy", "test_perturbation"].tolist() == [
        "natural",
        "fog",
    ]


def test_an_exposure_that_no_row_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="`exposure` must be one of seen, family, far, unknown; got near"):
        only_exposed(rows(), "near")
    with pytest.raises(ValueError, match="what tests of these runs are: seen, far; got family"):
        only_exposed(rows(), "family")
    with pytest.raises(ValueError, match="none says"):
        only_exposed(rows().drop(columns="exposure"), "far")
