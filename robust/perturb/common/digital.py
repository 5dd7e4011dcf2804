"""What storing a picture takes away: the corruptions pixelate and JPEG compression."""

import functools
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robust.perturb.common.base import Corruption

_COLOURS = 3


class Pixelate(Corruption):
    """Makes a picture smaller and as large again, so that it has fewer pixels: `pixelate`."""

    name = "pixelate"
    random = False

    def corrupt(self, images: Tensor, share: float) -> Tensor:
        height, width = (_pixelate_matrix(size, max(int(size * share), 1)).to(images) for size in images.shape[2:])
        return height @ (images @ width.T)


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
            pictures = (images.float() * 255).round().byte().cpu()
            if images.shape[1] not in (1, _COLOURS):
                pictures = pictures.flatten(0, 1)[:, None]
            stored = _stored(pictures, round(quality)).reshape(images.shape)
            change = stored.to(images.device).float().div_(255) - images.float()
        return images + change.to(images.dtype)


def _stored(pictures: Tensor, quality: int) -> Tensor:
    """Pictures in 8 bits, shape (batch, 1 or 3, height, width), as Pillow reads what it wrote of each."""
    found = []
    for picture in pictures.permute(0, 2, 3, 1).numpy():
        with io.BytesIO() as file:
            Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, "JPEG", quality=quality)
            with Image.open(file) as read:
                found.append(torch.from_numpy(np.array(read)))
    return torch.stack(found).view(*pictures.shape[:1], *pictures.shape[2:], -1).permute(0, 3, 1, 2)
