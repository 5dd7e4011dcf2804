"""Objects seen from elsewhere: places move as they should."""

import math

import pytest
import torch
from kornia.geometry.transform import homography_warp

from robust.perturb import (
    ImageRandom,
    Perspective,
    Rotation,
    Shear,
    Shift,
    Zoom,
    key,
    warp,
)


def random(count: int, seed: int = 0) -> ImageRandom:
    return ImageRandom(key("test", seed), torch.arange(count))


@pytest.mark.parametrize("outside", ["zeros", "border", "reflection"])
def test_warping_agrees_with_kornia(outside: str) -> None:
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for kind in (Shift(level=0.4), Zoom(level=1), Shear(level=30), Rotation(level=90), Perspective(level=50)):
        matrices = kind.matrices(random(6))
        wanted = homography_warp(images, matrices, (16, 16), padding_mode=outside)
        torch.testing.assert_close(warp(images, matrices, outside=outside), wanted, rtol=1e-3, atol=1e-4)


def test_a_quarter_turn_is_exact_in_any_picture() -> None:
    images = torch.rand(1, 3, 15, 9, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor([[[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]])
    turned = warp(images, turn)
    torch.testing.assert_close(turned[:, :, 3:12], torch.rot90(images[:, :, 3:12], -1, (2, 3)), rtol=1e-4, atol=1e-5)


def test_a_shift_is_as_long_as_drawn() -> None:
    shift = Shift(level=0.25, lowest=1)
    matrices = shift.matrices(random(500))
    moved = matrices[:, :2, 2]
    torch.testing.assert_close(moved.norm(dim=1), torch.full((500,), 0.5))  # of halves of a side
    assert (moved.mean(0).abs() < 0.06).all(), "every direction is as likely"


def test_a_whole_shift_moves_pixels_as_they_are() -> None:
    images = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    matrices = torch.eye(3)[None].clone()
    matrices[0, 0, 2] = 2 * 3 / 8
    torch.testing.assert_close(warp(images, matrices)[..., :5], images[..., 3:])
    torch.testing.assert_close(warp(images, matrices)[..., 5:], images[..., -1:].expand(-1, -1, -1, 3))
    assert (warp(images, matrices, outside="zeros")[..., 5:] == 0).all()


def test_zooming_in_and_out_are_as_likely() -> None:
    factors = Zoom(level=1.0, lowest=0.5).matrices(random(1000))[:, 0, 0]
    larger = factors < 1
    assert 450 < larger.sum() < 550
    assert 1.5 <= factors[~larger].min() < 1.52
    assert 1.98 < factors[~larger].max() <= 2
    assert 0.5 <= factors[larger].min() < 0.51
    assert 0.65 < factors[larger].max() <= 1 / 1.5


def test_a_shear_keeps_areas_and_the_line_it_slants_along() -> None:
    matrices = Shear(level=30, lowest=1).matrices(random(50)).double()
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(50).double(), rtol=1e-4, atol=1e-5)
    values = torch.linalg.svdvals(matrices[:, :2, :2])
    slope = math.tan(math.pi / 6)
    torch.testing.assert_close(values[:, 0] - values[:, 1], torch.full((50,), slope).double(), rtol=1e-4, atol=1e-4)


def test_a_tilted_picture_is_seen_as_a_camera_would() -> None:
    """Points of a plane, turned in space and seen from a distance of three halves, lie where the matrix says."""
    matrix = Perspective(level=50, lowest=1).matrices(random(1))[0].double()
    places = torch.tensor([[0.5, 0.2], [-0.7, 0.4], [0.0, 0.9]]).double()
    direction = math.atan2(-float(matrix[2, 1]), -float(matrix[2, 0]))
    tilt = math.radians(50)
    along = torch.tensor([math.cos(direction), math.sin(direction)]).double()
    across = torch.tensor([-math.sin(direction), math.cos(direction)]).double()
    first, second = places @ along, places @ across
    depth = 3 + first * math.sin(tilt)
    seen = 3 * ((first * math.cos(tilt))[:, None] * along + second[:, None] * across) / depth[:, None]
    back = torch.cat([seen, torch.ones(3, 1).double()], dim=1) @ matrix.T
    torch.testing.assert_close(back[:, :2] / back[:, 2:], places, rtol=1e-4, atol=1e-5)


def test_what_is_outside_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="`outside` must be one of border, zeros, reflection; got 'wrap'"):
        Shift(level=0.1, outside="wrap")  # type: ignore[arg-type]
