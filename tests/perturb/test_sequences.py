"""Sequences of frames: each held against the rule that its published frames were made by, in loops of its own."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from robust.perturb import ImageRandom
from robust.perturb.sequences import SEQUENCES

COUNTS = {32: {"motion_blur": 21, "translate": 16}, 224: {"translate": 41}}
BOTH = pytest.mark.parametrize("size", COUNTS)
#: of the frames of both sizes, the one that is the picture itself
ITSELF = {
    32: {"zoom_blur": 0, "brightness": 15, "translate": 7, "rotate": 15, "tilt": 15, "scale": 15},
    224: {"zoom_blur": 0, "brightness": 15, "translate": 20, "rotate": 15, "tilt": 15, "scale": 24},
}


def picture(height: int, width: int | None = None, *, count: int = 1, channels: int = 3) -> Tensor:
    """Smooth pictures, in which a place can be found again."""
    shape = (count, channels, height, width or height)
    smooth = ndimage.gaussian_filter(np.random.default_rng(height).normal(size=shape), (0, 0, height / 8, height / 8))
    return torch.from_numpy((0.5 + 0.2 * smooth / smooth.std()).clip(0.1, 0.9)).float()


def frames_of(name: str, images: Tensor, *, seed: int = 3, indices: list[int] | None = None) -> list[Tensor]:
    places = torch.arange(len(images)) if indices is None else torch.tensor(indices)
    return [*SEQUENCES[name].frames(images, ImageRandom(seed, places))]


@BOTH
@pytest.mark.parametrize("name", SEQUENCES)
def test_there_are_as_many_frames_as_published_and_one_is_the_picture(name: str, size: int) -> None:
    images = picture(size)
    frames = frames_of(name, images)
    assert len(frames) == COUNTS[size].get(name, 31)
    assert all(one.shape == images.shape and 0 <= one.min() <= one.max() <= 1 for one in frames)
    itself = 0 if SEQUENCES[name].beside_first else ITSELF[size].get(name)
    away = [float((one - images).abs().mean()) for one in frames]
    if itself is None:
        assert min(away) > 0.001, "each is blurred, or snow lies over it"
        return
    assert away[itself] < 1e-5
    if not SEQUENCES[name].beside_first:
        assert away[itself:] == sorted(away[itself:])
        assert away[: itself + 1] == sorted(away[: itself + 1], reverse=True)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 8, 8), (3, 5, 9), (4, 64, 48)])
@pytest.mark.parametrize("name", SEQUENCES)
def test_pictures_of_any_size_and_channels_have_frames(name: str, shape: tuple[int, int, int]) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    frames = frames_of(name, images)
    assert len(frames) >= 3
    assert all(one.shape == images.shape and 0 <= one.min() <= one.max() <= 1 for one in frames)


@pytest.mark.parametrize("name", SEQUENCES)
def test_frames_belong_to_their_image_alone(name: str) -> None:
    images = picture(12, count=3)
    together, alone = frames_of(name, images, indices=[4, 7, 9]), frames_of(name, images[1:2], indices=[7])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other, atol=1e-5, rtol=0)
    drawn = SEQUENCES[name].random
    others = frames_of(name, images[1:2], indices=[8])
    assert all(torch.equal(one, other) for one, other in zip(alone[1:], others[1:], strict=True)) != drawn


@BOTH
def test_noise_is_drawn_anew_in_each_frame(size: int) -> None:
    grey = torch.full((1, 3, size, size), 0.5)
    wanted = {"gaussian_noise": {32: 0.02, 224: 0.03}[size], "shot_noise": math.sqrt(0.5 / {32: 700, 224: 300}[size])}
    for name, deviation in wanted.items():
        first, *noisy = (one - grey for one in frames_of(name, grey))
        assert first.abs().max() == 0
        assert torch.stack(noisy).std().item() == pytest.approx(deviation, rel=0.02)
        assert abs(np.corrcoef(noisy[0].flatten(), noisy[1].flatten())[0, 1]) < 0.06


def seen_through(image: Tensor, back: np.ndarray) -> np.ndarray:
    """A picture through a matrix from places of the frame to its own, pixels from the middle; black around."""
    _, height, width = image.shape
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    across, down, depth = np.tensordot(back, np.stack([x, y, np.ones_like(x)]), 1)
    places = [down / depth + (height - 1) / 2, across / depth + (width - 1) / 2]
    padded = [one + 2 for one in places]
    return np.stack([ndimage.map_coordinates(np.pad(one, 2), padded, order=1) for one in image.numpy()])


def tilted(angle: float, far: float) -> np.ndarray:
    """Of a camera that sees a plane turned about its upright, then its level middle line."""
    sin, cos = math.sin(angle), math.cos(angle)
    lay = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]])
    upright = np.array([[cos, 0, -sin, 0], [0, 1, 0, 0], [sin, 0, cos, 0], [0, 0, 0, 1]])
    level = np.array([[1, 0, 0, 0], [0, cos, -sin, 0], [0, sin, cos, 0], [0, 0, 0, 1]])
    see = np.array([[far, 0, 0, 0], [0, far, 0, 0], [0, 0, 1, far]])
    return np.linalg.inv(see @ level @ upright @ lay)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 224), (32, 40)])
def test_rotate_tilt_and_scale_show_what_lies_there(height: int, width: int) -> None:
    images, large = picture(height, width), height == 224
    frames = {name: frames_of(name, images) for name in ("rotate", "tilt", "scale")}
    for place in (0, 7, 15, 22, 30):
        sin, cos = math.sin(math.radians(place - 15)), math.cos(math.radians(place - 15))
        angle = math.radians((1 if large else 0.75) * (place - 15))
        factor = (2.5 * place + 40) / 100 if large else (2 * place + 70) / 100
        wanted = {
            "rotate": np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]),
            "tilt": tilted(angle, math.hypot(height, width)),
            "scale": np.diag([1 / factor, 1 / factor, 1]),
        }
        for name, back in wanted.items():
            assert np.abs(frames[name][place][0].numpy() - seen_through(images[0], back)).max() < 1e-3


def test_translate_moves_by_a_pixel_and_brightness_adds_to_the_value() -> None:
    images = picture(32)
    for moved, frame in zip(range(-7, 9), frames_of("translate", images), strict=True):
        wanted = np.zeros((3, 32, 32))
        for x in range(32):
            if 0 <= x - moved < 32:
                wanted[:, :, x] = images[0, :, :, x - moved]
        np.testing.assert_array_equal(frame[0], wanted)
    values = [frame.amax(1) for frame in frames_of("brightness", images)]
    for place, value in enumerate(values):
        torch.testing.assert_close(value, (images.amax(1) + 0.015 * (place - 15)).clamp(0, 1))
    assert {len(frames_of("translate", picture(side))) for side in (8, 4, 1)} == {5, 3}, "a fourth of the width at most"


def test_zoom_blur_is_the_mean_of_all_sizes_before() -> None:
    images = picture(32)
    zoomed = [images[0].numpy()]
    for place, frame in enumerate(frames_of("zoom_blur", images)):
        if place:
            factor = 1 + 0.004 * place
            zoomed.append(seen_through(images[0], np.diag([1 / factor, 1 / factor, 1])))
        assert np.abs(frame[0].numpy() - np.mean(zoomed, axis=0)).max() < 1e-3


def test_motion_blur_and_snow_turn_and_snow_stays_the_same_flakes() -> None:
    dot = torch.zeros(1, 1, 33, 33)
    dot[..., 16, 16] = 1
    rows = torch.arange(33.0) - 16
    frames = frames_of("motion_blur", dot)
    middles = [complex((one[0, 0].sum(0) * rows).sum(), (one[0, 0].sum(1) * rows).sum()) for one in frames]
    turns = np.diff(np.unwrap(np.angle(middles)))
    assert turns.min() > 0
    assert np.degrees(turns.sum()) == pytest.approx(180, abs=1)
    black = torch.zeros(1, 1, 32, 32)
    snow = [one[0, 0].numpy() for one in frames_of("snow", black)]
    assert len({one.tobytes() for one in snow}) > 20
    sums = [one.sum() for one in snow]
    assert np.ptp(sums) < 0.2 * np.mean(sums), "none is drawn anew"
