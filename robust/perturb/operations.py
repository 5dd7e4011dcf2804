"""The operations on pictures that augmentations draw from: each is what Pillow does to 8 bits.

Autocontrast, equalize, posterize and solarize give the values that Pillow gives, to the bit. What moves a picture
differs from Pillow by one of 255 in fewer than 1 of 100 values. Brightness, colour, contrast and sharpness are not
rounded to 8 bits, and within 1.5 of 255.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from robust.perturb.sampling import sampled

_COLOURS = 3
_ROUNDING = 0.001  # of 255, by which a bilinear value may lie below the whole number that it is


def _levels(images: Tensor) -> Tensor:
    """Images as whole numbers from 0 to 255, int64."""
    return (images * 255).round().long().clamp(0, 255)


def _images(levels: Tensor, like: Tensor) -> Tensor:
    return levels.to(like.dtype) / 255


def _affine(images: Tensor, **entries: Tensor) -> Tensor:
    """Images drawn anew: at (x, y) shows what was at (xx x + xy y + x1, yx x + yy y + y1), in pixels from the upper
    left corner, between pixels bilinearly, and black where nothing was. `entries` name the numbers that differ from
    those of the identity, one for each image, of shape (n,)."""
    height, width = images.shape[-2:]
    y, x = (torch.arange(size, device=images.device, dtype=torch.float64) + 0.5 for size in (height, width))
    one = x.new_ones(len(images))
    full = {"xx": one, "xy": 0 * one, "x1": 0 * one, "yx": 0 * one, "yy": one, "y1": 0 * one} | entries
    xx, xy, x1, yx, yy, y1 = (full[name].double()[:, None, None] for name in ("xx", "xy", "x1", "yx", "yy", "y1"))
    across, along = xx * x + xy * y[:, None] + x1, yx * x + yy * y[:, None] + y1
    inside = (across >= 0) & (across < width) & (along >= 0) & (along < height)
    wide = images.dtype if images.dtype == torch.float64 else torch.float32
    places = torch.stack([across * 2 / width - 1, along * 2 / height - 1], 1).to(wide)
    found = sampled(_images(_levels(images), places), places, outside="border")
    return _images((found * 255 + _ROUNDING).floor() * inside[:, None], images)


def _rotate(images: Tensor, degrees: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    angle = torch.deg2rad(degrees.double())
    cos, sin, x, y = angle.cos(), angle.sin(), width / 2, height / 2
    return _affine(images, xx=cos, xy=-sin, x1=x - cos * x + sin * y, yx=sin, yy=cos, y1=y - sin * x - cos * y)


def _brightness(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_brightness_accumulative

    return adjust_brightness_accumulative(images, 1 + more)


def _colour(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_saturation_with_gray_subtraction

    return adjust_saturation_with_gray_subtraction(images, 1 + more) if images.shape[1] == _COLOURS else images


def _contrast(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance.adjust import adjust_contrast_with_mean_subtraction

    return adjust_contrast_with_mean_subtraction(images, 1 + more)


def _sharpness(images: Tensor, more: Tensor) -> Tensor:
    from kornia.enhance import sharpness

    return sharpness(images, 1 + more)


def _posterize(images: Tensor, bits: Tensor) -> Tensor:
    step = 2 ** bits.abs().round().long()[:, None, None, None]
    return _images(_levels(images) // step * step, images)


def _solarize(images: Tensor, share: Tensor) -> Tensor:
    levels, threshold = _levels(images), 256 - (256 * share.abs()).round()[:, None, None, None]
    return _images(torch.where(levels < threshold, levels, 255 - levels), images)


def _autocontrast(images: Tensor, _: Tensor) -> Tensor:
    levels = _levels(images)
    low, high = levels.amin((2, 3), keepdim=True).double(), levels.amax((2, 3), keepdim=True).double()
    scale = low.new_tensor(255) / (high - low).clamp(min=1)  # `255 / x` is rounded twice
    stretched = (levels.double() * scale + -low * scale).trunc().clamp(0, 255)
    return _images(torch.where(high > low, stretched, levels.double()), images)


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    levels = _levels(images).flatten(2)
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=levels.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    brightest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - brightest) // 255
    below = counts.cumsum(2) - counts
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    equal = torch.where(step > 0, table.gather(2, levels), levels)
    return _images(equal, images).view_as(images)


#: what changes images, floating-point in [0, 1] of shape (n, channels, height, width), by an amount each, of shape
#: (n,): a tangent (shear), a share of the side (shift), degrees (rotate), by how much a factor differs from 1
#: (brightness, colour, contrast, sharpness), how many of the 8 bits of a value are dropped (posterize), the share of
#: values from the brightest on that are inverted (solarize); the others take none
OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, _: images,
    "shear_x": lambda images, tangent: _affine(images, xy=tangent),
    "shear_y": lambda images, tangent: _affine(images, yx=tangent),
    "shift_x": lambda images, share: _affine(images, x1=share * images.shape[3]),
    "shift_y": lambda images, share: _affine(images, y1=share * images.shape[2]),
    "rotate": _rotate,
    "brightness": _brightness,
    "colour": _colour,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}


def operate(images: Tensor, names: Sequence[str], drawn: Tensor, amounts: Tensor) -> Tensor:
    """Images, floating-point in [0, 1] of shape (batch, channels, height, width), each after one operation: that of
    `names` at the place `drawn`, by its amount, both of shape (batch,)."""
    order = drawn.argsort(stable=True)
    counts = torch.bincount(drawn, minlength=len(names)).tolist()
    sorted_images, sorted_amounts = images[order].split(counts), amounts[order].split(counts)
    changed = [
        OPERATIONS[name](some, by).clamp(0, 1)
        for name, some, by in zip(names, sorted_images, sorted_amounts, strict=True)
        if len(some)
    ]
    return torch.cat(changed)[order.argsort()] if changed else images
