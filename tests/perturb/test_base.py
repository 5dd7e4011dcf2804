"""What every perturbation has, and those that draw their own strength."""

import pytest
import torch
from torch import nn

from robust.perturb import (
    DrawnStrength,
    Erasing,
    GaussianNoise,
    ImageRandom,
    Mesh,
    Perspective,
    PixelDropout,
    Rotation,
    Shear,
    Shift,
    Texture,
    Zoom,
    key,
)

DRAWN = (Shift, Zoom, Shear, Rotation, Perspective, Erasing, Mesh, Texture, PixelDropout)


def random(count: int, seed: int = 0) -> ImageRandom:
    return ImageRandom(key("test", seed), torch.arange(count))


def test_a_perturbation_is_a_module_among_others() -> None:
    """Its steps do not hide a method that `nn.Module` has, such as `apply`, which initialises a network's weights."""
    network = nn.Sequential(GaussianNoise(std=0.1), nn.Conv2d(3, 2, 1))
    assert network.apply(lambda part: nn.init.ones_(part.weight) if isinstance(part, nn.Conv2d) else None) is network
    assert network[1].weight.eq(1).all()
    assert network(torch.rand(2, 3, 4, 4)).shape == (2, 2, 4, 4)


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.name)
def test_strengths_are_drawn_evenly_up_to_the_level(kind: type[DrawnStrength]) -> None:
    strengths = kind(level=0.8, lowest=0.25).strength(random(2000))
    assert 0.2 <= strengths.min() < 0.21
    assert 0.79 < strengths.max() <= 0.8
    assert strengths.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.name)
def test_strengths_out_of_range_are_refused(kind: type[DrawnStrength]) -> None:
    with pytest.raises(ValueError, match=f"`level` must be at most .* for {kind.name}; got 500. It is "):
        kind(level=500)
    with pytest.raises(ValueError, match=r"`lowest` must be from 0 to 1; got 1\.5"):
        kind(level=0.1, lowest=1.5)
