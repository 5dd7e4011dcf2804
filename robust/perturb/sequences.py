"""Sequences of frames: a picture that changes a little from frame to frame, as in ImageNet-P and CIFAR-10-P.

Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261), and how the code that made those sets says what the paper does
not: CIFAR-10-P's constants for pictures of 32 pixels, ImageNet-P's for those of 224 (of the easiest of its three
strengths of noise); between them constants are interpolated linearly over the logarithm of the shorter side, smaller
pictures have those of 32, larger ones those of 224. What is moved is seen between pixels bilinearly, and beyond its
border is black.

What differs: published frames were stored in 8 bits, and ImageNet's as compressed films; these are not rounded.
ImageNet's were cut from pictures 256 pixels high, whose margin moved into view; here that is black. A turned or scaled
picture's edge fades to black over half a pixel. A tilted picture turns about its own middle, so that it is itself in
the middle frame; the published ones lie half a pixel off it, and one farther away.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.corruptions.blur import motion_blur
from robust.perturb.corruptions.severity import Constants, between_sizes
from robust.perturb.corruptions.weather import brightened, snowed
from robust.perturb.photons import counted
from robust.perturb.random import ImageRandom
from robust.perturb.warp import warp

_SMALL, _LARGE = 32, 224  # pixels, of the pictures that there are published constants for
_STEPS = 30  # from the first frame to the last of most
_FARTHEST = 4  # a picture moves by a fourth of its width at most


@dataclass(frozen=True)
class FrameSequence:
    """A picture that changes from frame to frame.

    `random`: whether something is drawn for it. `beside_first`: whether its frames, each drawn anew, are compared with
    the first one, which is the picture itself; else each with the one before.
    """

    name: str
    make: Callable[..., Iterator[Tensor]]
    small: Constants
    large: Constants
    random: bool = False
    beside_first: bool = False

    def frames(self, images: Tensor, random: ImageRandom) -> Iterator[Tensor]:
        """The frames of each image, one after the other. Images and frames are floating-point in [0, 1], shape (batch,
        channels, height, width), of any size; what is drawn belongs to an image, whatever else is in the batch."""
        constants = between_sizes({_SMALL: self.small, _LARGE: self.large}, min(images.shape[2:]))
        for frame in self.make(images, random, *constants):
            yield frame.clamp(0, 1)


def _gaussian_noise(images: Tensor, random: ImageRandom, std: float) -> Iterator[Tensor]:
    yield images
    for _ in range(_STEPS):
        yield images + std * random.normal(*images.shape[1:]).to(images.dtype)


def _shot_noise(images: Tensor, random: ImageRandom, photons: float) -> Iterator[Tensor]:
    yield images
    for _ in range(_STEPS):
        yield (counted(images.float(), photons, random.words(*images.shape[1:])) / photons).to(images.dtype)


def _motion_blur(
    images: Tensor, _: ImageRandom, radius: float, sigma: float, first: float, steps: float
) -> Iterator[Tensor]:
    """Along a line that turns from the `first` angle, in degrees, to 0."""
    for angle in _from_to(first, 0, round(steps)):
        yield motion_blur(images, round(radius), sigma, _of_each(images, angle))


def _zoom_blur(images: Tensor, _: ImageRandom, greatest: float) -> Iterator[Tensor]:
    """The mean of ever more pictures, each larger than the one before."""
    total = torch.zeros_like(images)
    for count, factor in enumerate(_from_to(1, greatest), start=1):
        total = total + (_scaled(images, factor) if count > 1 else images)
        yield total / count


def _snow(images: Tensor, random: ImageRandom, *constants: float) -> Iterator[Tensor]:
    """The same flakes, that fall in ever another direction."""
    field = random.normal(*images.shape[2:])
    for angle in _from_to(-150, -30):
        yield snowed(images, field, _of_each(images, angle), *constants)


def _brightness(images: Tensor, _: ImageRandom, most: float) -> Iterator[Tensor]:
    for added in _from_to(-most, most):
        yield brightened(images, added)


def _translate(images: Tensor, _: ImageRandom, left: float, right: float) -> Iterator[Tensor]:
    """To the right, by a pixel in each frame."""
    farthest = max(images.shape[3] // _FARTHEST, 1)
    for moved in range(max(round(left), -farthest), min(round(right), farthest) + 1):
        yield functional.pad(images, (moved, -moved))


def _rotate(images: Tensor, _: ImageRandom, most: float) -> Iterator[Tensor]:
    for degrees in _from_to(-most, most):
        sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        yield _warped(images, [[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def _tilt(images: Tensor, _: ImageRandom, most: float) -> Iterator[Tensor]:
    """About its upright middle line, then about its level one, by the same angle; seen from as far as it is long from
    corner to corner."""
    far = math.hypot(*images.shape[2:]) / (min(images.shape[2:]) / 2)
    for degrees in _from_to(-most, most):
        sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        seen = [[far * cos, 0, 0], [-far * sin * sin, far * cos, 0], [cos * sin, sin, far]]
        yield _warped(images, torch.tensor(seen, dtype=torch.float64).inverse().tolist())


def _scale(images: Tensor, _: ImageRandom, least: float, greatest: float) -> Iterator[Tensor]:
    for factor in _from_to(least, greatest):
        yield _scaled(images, factor)


def _from_to(first: float, last: float, steps: int = _STEPS) -> list[float]:
    return [first + (last - first) * step / steps for step in range(steps + 1)]


def _of_each(images: Tensor, value: float) -> Tensor:
    return torch.full((len(images),), value, device=images.device)


def _scaled(images: Tensor, factor: float) -> Tensor:
    return _warped(images, [[1 / factor, 0, 0], [0, 1 / factor, 0], [0, 0, 1]])


def _warped(images: Tensor, matrix: list[list[float]]) -> Tensor:
    """All images drawn anew alike (see `warp`): as the channels of one, whose places are worked out once."""
    height, width = images.shape[2:]
    as_one = images.reshape(1, -1, height, width)
    return warp(as_one, torch.tensor([matrix], device=images.device), outside="zeros").view_as(images)


#: the ten of which mFR is the mean, by name; the constants of each are its function's
SEQUENCES = {
    one.name: one
    for one in (
        FrameSequence("gaussian_noise", _gaussian_noise, (0.02,), (0.03,), random=True, beside_first=True),
        FrameSequence("shot_noise", _shot_noise, (700,), (300,), random=True, beside_first=True),
        FrameSequence("motion_blur", _motion_blur, (6, 1.8, -180, 20), (10, 3, -120, 30)),
        FrameSequence("zoom_blur", _zoom_blur, (1.12,), (1.12,)),
        FrameSequence("snow", _snow, (0.05, 0.3, 2, 0.5, 10, 2, 0.85), (0.05, 0.3, 3, 0.5, 14, 4, 0.85), random=True),
        FrameSequence("brightness", _brightness, (0.225,), (0.3,)),
        FrameSequence("translate", _translate, (-7, 8), (-20, 20)),
        FrameSequence("rotate", _rotate, (15,), (15,)),
        FrameSequence("tilt", _tilt, (11.25,), (15,)),
        FrameSequence("scale", _scale, (0.7, 1.3), (0.4, 1.15)),
    )
}
