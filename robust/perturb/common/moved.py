"""Pixels that lie elsewhere: the corruptions glass blur and elastic transform."""

import functools

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.common.base import Corruption
from robust.perturb.common.blur import CommonBlur, gaussian_weights, shifts_matrix
from robust.perturb.random import ImageRandom

_CUT = 3.0  # standard deviations that the Gaussian of displacements reaches


class GlassBlur(Corruption):
    """Blurs, then gives pixels the values of near ones, one after the other from below, some times over, and blurs
    again: `glass_blur`."""

    name = "glass_blur"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        _, near, times = constants
        return {"moves": random.integers(2 * round(near), round(times), 2, *shape[1:]) - round(near)}

    def corrupt(self, images: Tensor, sigma: float, near: float, times: float, *, moves: Tensor) -> Tensor:
        blur = CommonBlur.corrupt
        blurred = blur(self, images, sigma)  # type: ignore[arg-type]
        places = shuffled(moves, round(near))
        moved = blurred.flatten(2).gather(2, places[:, None].expand(-1, images.shape[1], -1)).view_as(images)
        return blur(self, moved, sigma)  # type: ignore[arg-type]


def shuffled(moves: Tensor, near: int) -> Tensor:
    """Where each pixel's value comes from, shape (batch, height x width), counted row by row.

    `moves`, whole numbers from -`near` to `near` - 1, shape (batch, times, 2, height, width), say for each pixel how
    many rows down and columns to the right the one lies whose value it takes. Pixels take them one after the other,
    from the last row up and from the last column to the left, the first and last ones of each left out; so a value may
    go on from pixel to pixel.
    """
    batch, times, _, height, width = moves.shape
    first = torch.arange(height * width, device=moves.device).expand(batch, -1).view(batch, height, width)
    if min(height, width) <= 2 * near:
        return first.flatten(1)
    places = first
    columns = torch.arange(near + 1, width - near + 1, device=moves.device)
    for time in range(times):
        down, across = moves[:, time].unbind(1)
        taken = first.clone()  # of what lies above or to the left nothing has changed yet
        for row in range(height - near, near, -1):
            dy, dx = (one[:, row, near + 1 : width - near + 1] for one in (down, across))
            line = taken[:, row].clone()  # in this row: where a value comes from, or in which column to look for it
            waits = (dy == 0) & (dx > 0)
            flat = (row + dy) * width + columns + dx
            line[:, columns] = torch.where(dy > 0, taken.flatten(1).gather(1, flat), flat)
            target = torch.arange(width, device=moves.device).repeat(batch, 1)
            target[:, columns] = torch.where(waits, columns + dx, columns)
            for _ in range(width.bit_length() if near > 1 else 0):
                target = target.gather(1, target)
            taken[:, row] = line.gather(1, target)
        places = places.flatten(1).gather(1, taken.flatten(1)).view_as(places)
    return places.flatten(1)


class ElasticTransform(Corruption):
    """Moves three points of a picture, and all others with them, then each pixel a little as its neighbours are moved:
    `elastic_transform`. What lies outside is the mirror image."""

    name = "elastic_transform"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"points": 2 * random.uniform(3, 2) - 1, "field": 2 * random.uniform(2, *shape[1:]) - 1}

    def corrupt(
        self, images: Tensor, far: float, alike: float, affine: float, *, points: Tensor, field: Tensor
    ) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        wide = images.double() if images.dtype == torch.float64 else images.float()
        moved = _sampled(wide, _affine_places(points.to(wide) * affine * side, height, width), edges=False)
        if far:
            rows, columns = (_smooth_matrix(size, alike * side).to(wide) for size in (height, width))
            down, across = ((rows @ one @ columns.T) * (far * side) for one in field.to(wide).unbind(1))
            y, x = (torch.arange(size, device=wide.device, dtype=wide.dtype) for size in (height, width))
            moved = _sampled(moved, torch.stack([x + across, y[:, None] + down], -1), edges=True)
        return moved.to(images.dtype)


def _affine_places(moves: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel's value comes from, (column, row), shape (batch, height, width, 2), when three points about the
    middle are moved by `moves`, in pixels, shape (batch, 3, 2)."""
    y, x = (torch.arange(size, device=moves.device, dtype=moves.dtype) for size in (height, width))
    own = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1)
    half = min(height, width) // 3
    if not half:
        return own.expand(len(moves), -1, -1, -1)
    points = moves.new_tensor([[half, half], [half, -half], [-half, -half]])
    points = points + moves.new_tensor([width // 2, height // 2])
    there = torch.cat([points + moves, torch.ones_like(moves[..., :1])], -1)
    back = torch.linalg.solve(there, points.expand_as(moves))
    places = torch.cat([own, torch.ones_like(own[..., :1])], -1).flatten(0, 1)
    return (places @ back).unflatten(1, (height, width))


def _sampled(images: Tensor, places: Tensor, *, edges: bool) -> Tensor:
    """The values at `places`, between pixels bilinearly; outside lies the mirror image, about the `edges` of the outer
    pixels or about their middles."""
    sizes = places.new_tensor([images.shape[3], images.shape[2]])
    grid = (places + 0.5) * 2 / sizes - 1 if edges else places * 2 / (sizes - 1).clamp_min(1) - 1
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=not edges)


@functools.lru_cache(maxsize=64)
def _smooth_matrix(size: int, sigma: float) -> Tensor:
    """The float64 matrix, shape (size, size), that blurs a row over its mirror images."""
    radius = int(_CUT * sigma + 0.5)
    return shifts_matrix(gaussian_weights(sigma, radius), -radius, size, outside="reflect")
