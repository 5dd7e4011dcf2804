"""What hides an object: as much is hidden as is said."""

import pytest
import torch

from robust.perturb import Erasing, ImageRandom, Mesh, PixelDropout, Texture, key


def random(count: int, seed: int = 0) -> ImageRandom:
    return ImageRandom(key("test", seed), torch.arange(count))


def smooth(count: int = 2, height: int = 24, width: int = 24) -> torch.Tensor:
    """Images that hold the place of each pixel: red to the right, green downwards."""
    x = torch.linspace(0, 1, width).expand(height, width)
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    return torch.stack([x, y, torch.full_like(x, 0.5)]).expand(count, -1, -1, -1).clone()


@pytest.mark.parametrize("level", [0.05, 0.3, 1.0])
def test_as_much_is_erased_as_drawn(level: float) -> None:
    white = torch.ones(300, 1, 40, 40)
    share = (Erasing(level=level, lowest=1)(white, seed=0) == 0).flatten(1).float().mean(1)
    assert share.mean() == pytest.approx(level, rel=0.03)
    assert share.std() < 0.03


def test_a_mesh_covers_what_its_lines_are_wide() -> None:
    black = torch.zeros(200, 1, 48, 48)
    mesh = Mesh(level=0.3, lowest=1)
    cover = mesh.sample(random(200), (1, 48, 48))["cover"].flatten(1).mean(1)
    assert cover.mean() == pytest.approx(1 - 0.7**2, abs=0.03)
    assert mesh(black, seed=1).flatten(1).amax(1).unique().numel() > 150, "every mesh has a grey of its own"


def test_a_texture_hides_as_much_as_drawn() -> None:
    images = smooth(50)
    changed = Texture(level=0.6, lowest=1)(images, seed=0)
    light = changed - Texture(level=0.6, lowest=1)(images * 0, seed=0)
    torch.testing.assert_close(light, 0.4 * images, rtol=1e-3, atol=1e-4)


def test_pixels_are_dropped_at_a_rate_of_their_picture() -> None:
    share = (PixelDropout(level=0.15)(torch.ones(400, 3, 64, 64), seed=0) == 0).float()
    assert (share.amax(1) == share.amin(1)).all(), "a pixel is deleted in all channels"
    rate = share[:, 0].flatten(1).mean(1)
    assert 0.04 < rate.min() < 0.06
    assert 0.14 < rate.max() < 0.17
