"""One perturbation of several for each image."""

import pytest
import torch

from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.perturb import Environment, ImageRandom, OneOf, key

RANGES = {"stuck": (1, 10), "hot": (1, 10), "dead": (1, 10), "noise": (0.001, 0.05), "blur": (0.04, 1.0)}


def test_every_way_and_every_level_is_drawn_about_equally_often() -> None:
    grey = torch.full((5000, 1, 12, 12), 0.5)
    changed = OneOf(ranges={"hot": (1, 10), "dead": (1, 10)})(grey, seed=0)
    hot, dead = ((changed == value).sum((1, 2, 3)) for value in (1, 0))
    assert ((hot == 0) | (dead == 0)).all()
    for faults in (hot, dead):
        counts = torch.bincount(faults, minlength=11)[1:]
        assert len(counts) == 10
        assert ((counts - 250).abs() < 75).all(), "each of 20 choices should come 250 times of 5,000"


def test_noise_is_drawn_in_its_range() -> None:
    grey = torch.full((400, 3, 16, 16), 0.5)
    spread = OneOf(ranges={"noise": (0.01, 0.1)})(grey, seed=0).flatten(1).std(1)
    assert 0.009 < spread.min() < 0.015
    assert 0.085 < spread.max() < 0.11
    assert 0.04 < spread.mean() < 0.07


def test_a_smaller_level_scales_every_range() -> None:
    grey = torch.full((300, 1, 12, 12), 0.5)
    faults = (OneOf(ranges={"hot": (1, 10)}, level=0.5)(grey, seed=0) == 1).sum((1, 2, 3))
    assert faults.max() == 5


def test_the_configurations_ranges_are_the_grids() -> None:
    perturbation = build_perturbation(compose(["perturb=grid"]).perturb)
    assert isinstance(perturbation, OneOf)
    assert perturbation.name == "grid"
    images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(perturbation(images, seed=3), OneOf(ranges=RANGES)(images, seed=3))


@pytest.mark.parametrize(
    ("ranges", "level", "message"),
    [
        ({}, 1, "`ranges` must name at least one perturbation; got none"),
        ({"fog": (0, 1)}, 1, "`ranges` must name perturbations among stuck, .*; got 'fog'"),
        ({"hot": (5, 2)}, 1, r"`ranges.hot` must be two whole numbers, the lower one first, from 0; got \(5, 2\)"),
        ({"hot": (1.5, 2.5)}, 1, "`ranges.hot` must be two whole numbers"),
        ({"noise": (0.3,)}, 1, r"`ranges.noise` must be two levels, the lower one first, from 0; got \(0.3,\)"),
        ({"noise": 0.3}, 1, "`ranges.noise` must be two levels, the lower one first, from 0; got 0.3"),
        (RANGES, 1.5, "`level` must be at most 1; got 1.5"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(
    ranges: dict[str, tuple[float, float]], level: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OneOf(ranges=ranges, level=level)


def test_faults_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="`count` must be at most 9"):
        OneOf(ranges={"hot": (1, 10)})(torch.zeros(1, 1, 3, 3))


ENVIRONMENT = ("shift", "zoom", "shear", "rotate", "perspective", "erase", "mesh", "texture", "pixel_dropout")


def test_the_world_is_one_of_them_for_each_image() -> None:
    environment = build_perturbation(compose(["perturb=environment"]).perturb)
    assert isinstance(environment, Environment)
    assert environment.name == "environment"
    chosen = environment.sample(ImageRandom(key("test", 0), torch.arange(900)), (3, 16, 16))["chosen"]
    counts = torch.bincount(chosen, minlength=9)
    assert len(counts) == 9
    assert ((counts - 100).abs() < 40).all()
    for name, (way,) in zip(ENVIRONMENT, environment.ways, strict=True):
        alone = build_perturbation(compose([f"perturb={name}"]).perturb)
        assert type(way) is type(alone)
        assert (way.name, way.level) == (name, alone.level)
        assert way.lowest == pytest.approx(alone.lowest, abs=1e-3)
