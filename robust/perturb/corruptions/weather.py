"""The corruptions of weather: snow, fog and brightness."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.corruptions.blur import motion_blur, zoom_matrix
from robust.perturb.corruptions.corruption import Corruption, brightness_of
from robust.perturb.filters import filtered
from robust.perturb.random import ImageRandom

_FIRST = 100.0  # of the largest features: the root of how high they are


class Snow(Corruption):
    """Makes a picture paler and lets flakes fall over it, in two directions: `snow`."""

    name = "snow"
    values_at_a_time = 1 << 19  # it takes many small steps

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"field": random.normal(*shape[1:]), "angle": random.uniform() * 90 - 135}

    def corrupt(self, images: Tensor, *constants: float, field: Tensor, angle: Tensor) -> Tensor:
        return snowed(images, field, angle, *constants)


def snowed(images: Tensor, field: Tensor, angle: Tensor, *constants: float) -> Tensor:
    """Images under flakes that a normal `field`, shape (batch, height, width), makes and that fall along an `angle` in
    degrees, shape (batch,); they may leave [0, 1]. The constants are `snow`'s."""
    mean, deviation, size, least, radius, sigma, mix = constants
    flakes = filtered(field, *(zoom_matrix(side, size) for side in images.shape[2:])).mul_(deviation).add_(mean)
    flakes = functional.threshold(flakes, math.nextafter(least, 0), 0).clamp_(0, 1).mul_(255).floor_().div_(255)
    fallen = motion_blur(flakes[:, None], round(radius), sigma, angle).to(images.dtype)
    pale = torch.maximum(images, brightness_of(images).mul_(1.5).add_(0.5)).lerp_(images, mix)
    return pale.add_(fallen + fallen.rot90(2, (2, 3)))


class Fog(Corruption):
    """Lays clouds over the picture, a fractal of its own for each, and keeps its greatest value: `fog`."""

    name = "fog"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        side = 1 << (max(shape[1:]) - 1).bit_length()
        return {"field": 2 * random.uniform(max(side, 2), max(side, 2)) - 1}

    def corrupt(self, images: Tensor, thick: float, decay: float, *, field: Tensor) -> Tensor:
        height, width = images.shape[2:]
        clouds = plasma(field, decay)[:, None, :height, :width].to(images.dtype)
        most = images.amax((1, 2, 3), keepdim=True)
        return (images + thick * clouds) * most / (most + thick)


def plasma(field: Tensor, decay: float) -> Tensor:
    """Clouds from 0 to 1, shape (batch, side, side), the opposite sides of which fit together; `side` is a power of
    two. A place in the middle of four has their mean and what the `field`, from -1 to 1, of the same shape, adds there:
    at first 100 x 100 times, at each smaller distance a `decay` x `decay`th of it (Fournier et al. 1982)."""
    side, wobble = field.shape[-1], _FIRST
    clouds = torch.zeros_like(field)
    step = side
    while step >= 2:
        half = step // 2
        corners = clouds[:, ::step, ::step]
        four = corners + corners.roll(-1, 1)
        middles = (four + four.roll(-1, 2)) / 4 + wobble**2 * field[:, half::step, half::step]
        clouds[:, half::step, half::step] = middles
        across = (corners + corners.roll(-1, 2) + middles + middles.roll(1, 1)) / 4
        down = (corners + corners.roll(-1, 1) + middles + middles.roll(1, 2)) / 4
        clouds[:, ::step, half::step] = across + wobble**2 * field[:, ::step, half::step]
        clouds[:, half::step, ::step] = down + wobble**2 * field[:, half::step, ::step]
        step, wobble = half, wobble / decay
    clouds = clouds - clouds.amin((1, 2), keepdim=True)
    return clouds / clouds.amax((1, 2), keepdim=True).clamp_min(1e-12)


class Brightness(Corruption):
    """Adds to the value of hue, saturation and value: `brightness`."""

    name = "brightness"
    random = False

    def corrupt(self, images: Tensor, added: float) -> Tensor:
        return brightened(images, added)


def brightened(images: Tensor, added: float) -> Tensor:
    """Images with so much `added` to their value, which stays from 0 to 1; less where it is below 0."""
    value = images.amax(1, keepdim=True)
    brighter = (value + added).clamp(0, 1)
    return torch.where(value > 0, images * (brighter / value.clamp_min(1e-12)), brighter)
