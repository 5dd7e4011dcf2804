"""The corruptions of handling pictures: contrast, saturation, elastic transform, pixelation and JPEG compression."""

import functools

import torch
from torch import Tensor

from robust.perturb.corruptions.corruption import Corruption, as_if_left
from robust.perturb.corruptions.jpeg import as_jpeg
from robust.perturb.filters import filtered, gaussian_matrix
from robust.perturb.random import ImageRandom
from robust.perturb.sampling import sampled

_COLOURS = 3
_CUT = 3.0  # standard deviations that the Gaussian of displacements reaches


class Contrast(Corruption):
    """Brings every value nearer to the mean of its channel in the picture: `contrast`."""

    name = "contrast"
    random = False

    def corrupt(self, images: Tensor, factor: float) -> Tensor:
        mean = images.mean((2, 3), keepdim=True)
        return (images - mean) * factor + mean


class Saturate(Corruption):
    """Makes colours weaker or stronger: saturation times a `factor`, and more: `saturate`. What has no colour at all
    becomes red where something is added, as published. Pictures that are not in colour stay as they are."""

    name = "saturate"
    random = False

    def corrupt(self, images: Tensor, factor: float, added: float) -> Tensor:
        if images.shape[1] != _COLOURS:
            return images.clone()
        value = images.amax(1, keepdim=True)
        span = value - images.amin(1, keepdim=True)
        before = span / value.clamp_min(1e-12)
        after = (before * factor + added).clamp(0, 1)
        red = value.new_tensor([0, 1, 1])[:, None, None]
        away = torch.where(span > 0, (value - images) / span.clamp_min(1e-12), red)
        return value * (1 - after * away)


class ElasticTransform(Corruption):
    """Moves three points of a picture, and all others with them, then each pixel a little as its neighbours are moved:
    `elastic_transform`. What lies outside is the mirror image."""

    name = "elastic_transform"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"points": 2 * random.uniform(3, 2) - 1, "field": random.uniform(2, *shape[1:]).mul_(2).sub_(1)}

    def corrupt(
        self, images: Tensor, far: float, alike: float, affine: float, *, points: Tensor, field: Tensor
    ) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        wide = images.double() if images.dtype == torch.float64 else images.float()
        moved = _moved(wide, *_affine_places(points.to(wide) * affine * side, height, width), edges=False)
        if far:
            smooth = (gaussian_matrix(size, alike * side, cut=_CUT) for size in (height, width))
            down, across = filtered(field.to(wide), *smooth).mul_(far * side).unbind(1)
            y, x = (torch.arange(size, device=wide.device, dtype=wide.dtype) for size in (height, width))
            moved = _moved(moved, across + x, down + y[:, None], edges=True)
        return moved.to(images.dtype)


def _affine_places(moves: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each pixel's value comes from, its column and its row, shape (batch, height, width) each, when three points
    about the middle are moved by `moves`, in pixels, shape (batch, 3, 2)."""
    y, x = (torch.arange(size, device=moves.device, dtype=moves.dtype) for size in (height, width))
    half = min(height, width) // 3
    if not half:
        return x.expand(len(moves), height, -1), y[:, None].expand(len(moves), -1, width)
    points = moves.new_tensor([[half, half], [half, -half], [-half, -half]])
    points = points + moves.new_tensor([width // 2, height // 2])
    there = torch.cat([points + moves, torch.ones_like(moves[..., :1])], -1)
    of_column, of_row, of_all = torch.linalg.solve(there, points.expand_as(moves))[..., None, None].unbind(1)
    x, y = (x * of_column + (y[:, None] * of_row + of_all)).unbind(1)
    return x, y


def _moved(images: Tensor, x: Tensor, y: Tensor, *, edges: bool) -> Tensor:
    """The values at places, their columns `x` and rows `y`, between pixels bilinearly; outside lies the mirror image,
    about the `edges` of the outer pixels or about their middles."""
    pairs = ((x, images.shape[3]), (y, images.shape[2]))
    if edges:
        across, down = ((places * (2 / size)).add_(1 / size - 1) for places, size in pairs)
    else:
        across, down = ((places * (2 / max(size - 1, 1))).sub_(1) for places, size in pairs)
    return sampled(images, across, down, outside="reflection", middles=not edges)


class Pixelate(Corruption):
    """Makes a picture smaller and as large again, so that it has fewer pixels: `pixelate`."""

    name = "pixelate"
    random = False

    def corrupt(self, images: Tensor, share: float) -> Tensor:
        return filtered(images, *(_pixelate_matrix(size, max(int(size * share), 1)) for size in images.shape[2:]))


@functools.lru_cache(maxsize=64)
def _pixelate_matrix(size: int, fewer: int) -> Tensor:
    """The float64 matrix, shape (size, size), that has a row of pixels made shorter and as long again."""
    return _box_matrix(fewer, size) @ _box_matrix(size, fewer)


def _box_matrix(before: int, after: int) -> Tensor:
    """The float64 matrix, shape (after, before), of Pillow's filter BOX: a pixel is the mean of those whose middles it
    covers."""
    scale = before / after
    reach = max(scale, 1.0) / 2
    middles = (torch.arange(after).double()[:, None] + 0.5) * scale
    first, end = (
        (middles + side + 0.5).floor() for side in (-reach, reach)
    )  # rounded as there, which decides at edges
    places = torch.arange(before)
    away = (places - middles + 0.5) / (2 * reach)
    inside = ((places >= first) & (places < end) & (away > -0.5) & (away <= 0.5)).double()
    return inside / inside.sum(1, keepdim=True)


class JpegCompression(Corruption):
    """Stores a picture as JPEG, with half the resolution of colours, and reads it again: `jpeg_compression`. Images in
    neither one nor three channels are stored channel by channel. Its gradient is that of leaving them as they are,
    since what is stored are whole numbers."""

    name = "jpeg_compression"
    random = False

    def corrupt(self, images: Tensor, quality: float) -> Tensor:
        with torch.no_grad():
            pictures = (images.float() * 255).round_()
            if images.device.type == "mps":  # which has no float64
                pictures = pictures.cpu()
            if images.shape[1] not in (1, _COLOURS):
                pictures = pictures.flatten(0, 1)[:, None]
            stored = as_jpeg(pictures, round(quality)).div_(255).view(images.shape)
        return as_if_left(stored.to(images.device), images)
