"""What happens to a picture in the world: places move as they should, and as much is hidden as is said."""

import math

import pytest
import torch
from kornia.geometry.transform import homography_warp

from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.perturb import (
    DrawnStrength,
    Erasing,
    ImageRandom,
    Mesh,
    Perspective,
    PixelDropout,
    Rotation,
    Shear,
    Shift,
    Texture,
    World,
    Zoom,
    key,
    warp,
)

WORLD = (Shift, Zoom, Shear, Rotation, Perspective, Erasing, Mesh, Texture, PixelDropout)


def smooth(count: int = 2, height: int = 24, width: int = 24) -> torch.Tensor:
    """Images that hold the place of each pixel: red to the right, green downwards."""
    x = torch.linspace(0, 1, width).expand(height, width)
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    return torch.stack([x, y, torch.full_like(x, 0.5)]).expand(count, -1, -1, -1).clone()


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


@pytest.mark.parametrize("kind", WORLD, ids=lambda kind: kind.name)
def test_strengths_are_drawn_evenly_up_to_the_level(kind: type[DrawnStrength]) -> None:
    strengths = kind(level=0.8, lowest=0.25).strength(random(2000))
    assert 0.2 <= strengths.min() < 0.21
    assert 0.79 < strengths.max() <= 0.8
    assert strengths.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", WORLD, ids=lambda kind: kind.name)
def test_strengths_out_of_range_are_refused(kind: type[DrawnStrength]) -> None:
    with pytest.raises(ValueError, match=f"`level` must be at most .* for {kind.name}; got 500. It is "):
        kind(level=500)
    with pytest.raises(ValueError, match=r"`lowest` must be from 0 to 1; got 1\.5"):
        kind(level=0.1, lowest=1.5)


def test_what_is_outside_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="`outside` must be one of border, zeros, reflection; got 'wrap'"):
        Shift(level=0.1, outside="wrap")  # type: ignore[arg-type]


def test_the_world_is_one_of_them_for_each_image() -> None:
    world = build_perturbation(compose(["perturb=world"]).perturb)
    assert isinstance(world, World)
    assert world.name == "world"
    chosen = world.sample(random(900), (3, 16, 16))["chosen"]
    counts = torch.bincount(chosen, minlength=9)
    assert len(counts) == 9
    assert ((counts - 100).abs() < 40).all()
    for kind, (way,) in zip(WORLD, world._ways, strict=True):
        alone = build_perturbation(compose([f"perturb={kind.name}"]).perturb)
        assert isinstance(alone, kind)
        assert type(way) is kind
        assert way.level == alone.level
        assert way.lowest == pytest.approx(alone.lowest, abs=1e-3)
