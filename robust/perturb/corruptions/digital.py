"""The corruptions of handling pictures: contrast, saturation, elastic transform, pixelation and JPEG compression."""

import functools

import torch
from torch import Tensor

from robust.perturb.base import together
from robust.perturb.corruptions.corruption import Corruption
from robust.perturb.corruptions.jpeg import through_jpeg
from robust.perturb.filters import filtered, gaussian_matrix
from robust.perturb.random import ImageRandom
from robust.perturb.sampling import sampled

_COLOURS = 3
_CUT = 3.0  # standard deviations that the Gaussian of displacements reaches
_UNIT = 128  # of a displacement, in numbers of 8 bits
_NEAR = 3 << 16  # values that stay in a core's cache with all that is made of them


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
    values_at_a_time = None  # its own blocks: what is the same for all is made once

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        field = random.small_integers(256, 2, *shape[1:]).flip(1)  # down is drawn first, across stands first
        return {"field": field, "points": 2 * random.uniform(3, 2) - 1}

    def corrupt(
        self, images: Tensor, far: float, alike: float, affine: float, *, points: Tensor, field: Tensor
    ) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        wide = torch.promote_types(images.dtype, torch.float32)
        x, y = (torch.arange(size, device=images.device, dtype=wide) for size in (width, height))
        of_column, of_row, of_all = _affine(points.to(wide) * affine * side, height, width)[..., None, None].unbind(1)
        columns = of_column * (2 * x / max(width - 1, 1) - 1) + of_all
        rows = of_row * (2 * y / max(height - 1, 1) - 1)[:, None]
        smooth = [gaussian_matrix(size, alike * side, cut=_CUT) for size in (height, width)] if far else []
        pixels = far * side / _UNIT  # that a field's 1 moves; its mean, 127.5, moves nothing
        sides = x.new_tensor([width, height])[:, None, None]
        still = (2 * torch.stack(torch.meshgrid(x, y, indexing="xy")) + 1 - 255 * pixels) / sides - 1

        def moved(some: Tensor, columns: Tensor, rows: Tensor, moves: Tensor) -> Tensor:
            near = some.to(wide, copy=True)  # in the cache before pixels here and there are asked for
            near = sampled(near, columns + rows, outside="reflection", middles=True)
            if far:
                places = torch.addcmul(still, filtered(moves.to(wide), *smooth), 2 * pixels / sides)
                near = sampled(near, places, outside="reflection")
            return near.to(images.dtype)

        many = max(1, _NEAR // images[0].numel()) if images.device.type == "cpu" else len(images)
        parts = zip(*(one.split(many) for one in (images, columns, rows, field)), strict=True)
        return together((moved(*part) for part in parts), len(images))


def _affine(moves: Tensor, height: int, width: int) -> Tensor:
    """How places in the image follow from those in the result, in which three points about the middle are moved by
    `moves`, in pixels, shape (batch, 3, 2): for each coordinate the factors of column and row and what is added, shape
    (batch, 3, 2). Places go from -1 to 1, from the middle of the first pixel to that of the last."""
    half = min(height, width) // 3
    if not half:
        return torch.eye(3, 2).to(moves).expand(len(moves), -1, -1)
    last = moves.new_tensor([width - 1, height - 1])
    points = moves.new_tensor([[half, half], [half, -half], [-half, -half]])
    points = points + moves.new_tensor([width // 2, height // 2])
    there = torch.cat([(points + moves) * (2 / last) - 1, torch.ones_like(moves[..., :1])], -1)
    return torch.linalg.solve(there, (points * (2 / last) - 1).expand_as(moves))


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
        return through_jpeg(images, round(quality))
