"""Pictures that show nothing: fractals, of iterated function systems.

A system is a few affine maps that bring points nearer to one another; points that go again and again through one of
them, drawn at random, fill its attractor (Barnsley 1988). Each map tints the points that it moves.
"""

import math

import torch
from torch import Tensor

from robust.perturb.random import ImageRandom, key

_MAPS = 4
_LARGEST = (0.4, 0.9)  # by how much a map shrinks along its longer axis
_SETTLE, _STEPS = 16, 48  # until points are near the attractor; that are shown
_SPREAD = 2.2  # standard deviations of the points to each edge of the picture


def fractals(count: int, side: int, *, seed: int = 0) -> Tensor:
    """So many pictures, uint8 of shape (count, 3, side, side); each the same for the same seed, whatever others there
    are. Takes some seconds for some hundreds."""
    random = ImageRandom(key("fractals", seed), torch.arange(count))
    matrices, offsets, chances = _systems(random)
    tints, background = random.uniform(_MAPS, 3), random.uniform(3)
    points, tint = 2 * random.uniform(max(64, side * side // 4), 2) - 1, random.uniform(1, 3)
    tint = tint.expand(*points.shape[:2], 3)
    sums = torch.zeros(count, side * side, 4)  # how many points, and their tints
    low = high = torch.zeros(count, 1, 2)
    for step in range(_SETTLE + _STEPS):
        drawn = torch.searchsorted(chances, random.uniform(points.shape[1])).clamp(max=_MAPS - 1)
        points = (_of(matrices, drawn) * points[:, :, None]).sum(3) + _of(offsets, drawn)
        tint = (tint + _of(tints, drawn)) / 2
        if step == _SETTLE:
            middle, reach = points.mean(1, keepdim=True), _SPREAD * points.std(1, keepdim=True).clamp(min=1e-6)
            low, high = middle - reach, middle + reach
        if step >= _SETTLE:
            _show(sums, ((points - low) / (high - low) * side).long(), tint, side)
    dense = (1 + sums[..., :1]).log()
    dense = dense / dense.amax(1, keepdim=True)
    mean = sums[..., 1:] / sums[..., :1].clamp(min=1)
    pictures = background[:, None] * (1 - dense) + mean * dense
    return (pictures * 255).round().byte().view(count, side, side, 3).permute(0, 3, 1, 2).contiguous()


def _systems(random: ImageRandom) -> tuple[Tensor, Tensor, Tensor]:
    """Of each system the matrices of its maps, shape (count, maps, 2, 2), their offsets, shape (count, maps, 2), and
    the chances of the first, of the first two, ..., shape (count, maps), each by the area that is left of a picture."""
    first, second = (_rotations(math.tau * random.uniform(_MAPS)) for _ in range(2))
    least, most = _LARGEST
    larger = least + (most - least) * random.uniform(_MAPS)
    smaller = larger * (0.2 + 0.8 * random.uniform(_MAPS)) * (2 * random.integers(2, _MAPS) - 1)
    shrunk = torch.stack([larger, smaller], dim=-1)
    chances = (larger * smaller).abs()
    chances = chances.cumsum(1) / chances.sum(1, keepdim=True)
    return first @ (shrunk[..., None] * second), 2 * random.uniform(_MAPS, 2) - 1, chances


def _rotations(angles: Tensor) -> Tensor:
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))


def _of(maps: Tensor, drawn: Tensor) -> Tensor:
    """What each point's map has: of `maps`, shape (count, maps, *), by `drawn`, shape (count, points)."""
    return maps[torch.arange(len(maps))[:, None], drawn]


def _show(sums: Tensor, pixels: Tensor, tint: Tensor, side: int) -> None:
    """Adds points, at `pixels`, shape (count, points, 2), where they are in the picture."""
    inside = ((pixels >= 0) & (pixels < side)).all(2)
    place = torch.where(inside, pixels[..., 1] * side + pixels[..., 0], 0)
    values = torch.cat([torch.ones_like(tint[..., :1]), tint], dim=2) * inside[..., None]
    sums.scatter_add_(1, place[..., None].expand_as(values), values)
