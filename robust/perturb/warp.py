"""Objects seen from elsewhere: half out of the frame, nearer, turned, at an angle.

Source: Everaert, Thiel, Yannett, "Robust Computer Vision". A place in an image is (x, y) with the picture from -1 to 1
along its shorter side, (0, 0) in the middle.
"""

import math
from typing import get_args

import torch
from torch import Tensor

from robust.perturb.base import DrawnStrength
from robust.perturb.random import ImageRandom
from robust.perturb.sampling import Outside, sampled

_DISTANCE = 3.0  # of the camera from a picture that it sees at an angle, in halves of the shorter side
_NEAREST = 0.01  # of what lies behind the camera nothing is seen


def warp(images: Tensor, matrices: Tensor, *, outside: Outside = "border") -> Tensor:
    """Images drawn anew, float in [0, 1] of shape (batch, channels, height, width): what shows at a place comes from
    where its matrix says, between pixels bilinearly.

    `matrices`, shape (batch, 3, 3), take homogeneous places in the result to places in the image: (x, y, 1) with the
    picture from -1 to 1 along its shorter side. As Kornia's `homography_warp`, but true to angles in pictures that are
    not square, and faster. Differentiable in both. `outside` says what shows where nothing of the picture is: its
    `border` drawn out, black (`zeros`), or its mirror image (`reflection`).
    """
    height, width = images.shape[-2:]
    wide = images.dtype if images.dtype == torch.float64 else torch.float32
    half = torch.tensor([width, height], device=images.device, dtype=wide) / min(height, width)
    result = sampled(images.to(wide), _places(matrices.to(wide), half, height, width), outside=outside)
    return result.clamp_(0, 1).to(images.dtype)


def _places(matrices: Tensor, half: Tensor, height: int, width: int) -> Tensor:
    """The places that pixels come from, shape (batch, 2, height, width), of a picture from -`half` to `half`."""
    units = torch.cat([half, half.new_ones(1)])
    matrices = matrices * units / units[:, None]
    x, y = ((torch.arange(size, device=half.device, dtype=half.dtype) * 2 + 1) / size - 1 for size in (width, height))
    of_column, of_row, of_all = matrices[..., None, None].unbind(2)
    places = of_column * x + (of_row * y[:, None] + of_all)
    return places[:, :2] / places[:, 2:].clamp_min(_NEAREST)


class Warp(DrawnStrength):
    """Draws each picture anew with a matrix of its own, which `matrices` gives (see `warp`, and there `outside`).

    Raises ValueError for an `outside` that is none.
    """

    moves = True

    def __init__(self, *, level: float, lowest: float = 0.25, outside: Outside = "border"):
        super().__init__(level=level, lowest=lowest)
        if outside not in get_args(Outside):
            raise ValueError(f"`outside` must be one of {', '.join(get_args(Outside))}; got {outside!r}.")
        self.outside = outside

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"matrices": self.matrices(random)}

    def matrices(self, random: ImageRandom) -> Tensor:
        """From places in the result to places in the image, shape (batch, 3, 3)."""
        raise NotImplementedError

    def apply_transform(self, images: Tensor, *, matrices: Tensor) -> Tensor:
        return warp(images, matrices, outside=self.outside) if self.level and len(images) else images.clone()


class Shift(Warp):
    """Moves the picture in any direction. The level is a share of its shorter side, from 0 to 1."""

    name = "shift"
    unit = "how far the picture moves, as a share of its shorter side, e.g. 0.4"
    highest = 1.0

    def matrices(self, random: ImageRandom) -> Tensor:
        distance, direction = 2 * self.strength(random), math.tau * random.uniform()
        return _matrices(1, 0, distance * direction.cos(), 0, 1, distance * direction.sin(), 0, 0, 1)


class Zoom(Warp):
    """Makes the picture larger or smaller, either half of the time. The level is the factor less 1, from 0 to 9."""

    name = "zoom"
    unit = "how many times as large, or small, less 1, e.g. 1 for up to twice"
    highest = 9.0

    def matrices(self, random: ImageRandom) -> Tensor:
        factor = 1 + self.strength(random)
        factor = torch.where(random.integers(2) == 0, factor, 1 / factor)
        return _matrices(factor, 0, 0, 0, factor, 0, 0, 0, 1)


class Shear(Warp):
    """Slants the picture along a line in any direction. The level is an angle in degrees, from 0 to 80."""

    name = "shear"
    unit = "the angle by which upright lines lean, in degrees, e.g. 30"
    highest = 80.0

    def matrices(self, random: ImageRandom) -> Tensor:
        slope, direction = torch.deg2rad(self.signed(random)).tan(), math.pi * random.uniform()
        cos, sin = direction.cos(), direction.sin()
        return _matrices(
            1 - slope * cos * sin, slope * cos * cos, 0, -slope * sin * sin, 1 + slope * cos * sin, 0, 0, 0, 1
        )


class Rotation(Warp):
    """Turns the picture about its middle, either way. The level is an angle in degrees, from 0 to 180."""

    name = "rotate"
    unit = "the angle in degrees, e.g. 45"
    highest = 180.0

    def matrices(self, random: ImageRandom) -> Tensor:
        angle = torch.deg2rad(self.signed(random))
        cos, sin = angle.cos(), angle.sin()
        return _matrices(cos, -sin, 0, sin, cos, 0, 0, 0, 1)


class Perspective(Warp):
    """Shows the picture at an angle: tilted about a line through its middle, in any direction. The level is the angle
    in degrees, from 0 to 60."""

    name = "perspective"
    unit = "the angle by which the picture is tilted, in degrees, e.g. 50"
    highest = 60.0

    def matrices(self, random: ImageRandom) -> Tensor:
        tilt, direction = torch.deg2rad(self.strength(random)), math.tau * random.uniform()
        cos, sin, near = direction.cos(), direction.sin(), tilt.cos()
        # A point at (a, b) across and along the direction is seen at d (a cos t, b) / (d + a sin t). Solved for it:
        # (a, b) = (u, v cos t) d / (d cos t - u sin t)
        back = tilt.sin() / _DISTANCE
        return _matrices(
            cos * cos + near * sin * sin, (1 - near) * cos * sin, 0,
            (1 - near) * cos * sin, sin * sin + near * cos * cos, 0,
            -back * cos, -back * sin, near,
        )  # fmt: skip


def _matrices(*entries: Tensor | float) -> Tensor:
    """Matrices of these entries, row by row, each a number or one for each image."""
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    full = [torch.as_tensor(entry).to(like).expand_as(like) for entry in entries]
    return torch.stack(full, dim=-1).unflatten(-1, (3, 3))
