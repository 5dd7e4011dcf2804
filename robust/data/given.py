"""What others give as images, labels and classes: made into ours where it can mean one thing only, else refused."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

_CHANNELS = (1, 3)
_BRIGHTEST = 255


def as_images(images: object) -> Tensor:
    """As uint8 of shape (n, channels, height, width); see `ImageSet`. Raises ValueError."""
    tensor = _as_tensor("Images", images)
    if tensor.dim() == 3:
        tensor = tensor[:, None]
    shape = tuple(tensor.shape)
    if tensor.dim() != 4 or 0 in shape[1:]:
        raise ValueError(f"Images must be of shape (n, channels, height, width); got {shape}.")
    if shape[1] not in _CHANNELS and shape[3] in _CHANNELS:
        raise ValueError(
            f"Images must have their channels before height and width; got shape {shape}. Permute them: "
            "images.permute(0, 3, 1, 2)."
        )
    return tensor if tensor.dtype == torch.uint8 else _eight_bits(tensor)


def _eight_bits(images: Tensor) -> Tensor:
    if images.is_complex() or images.dtype == torch.bool:
        raise ValueError(f"Images must be uint8 from 0 to 255, or floats from 0 to 1; got {images.dtype}.")
    if not len(images):
        return images.to(torch.uint8)
    dtype, is_float = images.dtype, images.is_floating_point()
    most, rule = (1, "floats from 0 to 1") if is_float else (_BRIGHTEST, "integers from 0 to 255")
    images = images if is_float else images.to(torch.int64)  # of unsigned ones torch finds no greatest
    low, high = images.min().item(), images.max().item()  # NaN, where there is one
    if not 0 <= low <= high <= most:
        advice = " Divide them by 255." if most == 1 and low >= 0 and 1 < high <= _BRIGHTEST else ""
        raise ValueError(f"Images must be {rule}; got {dtype} from {low:g} to {high:g}.{advice}")
    return (images.mul(_BRIGHTEST).round() if is_float else images).to(torch.uint8)


def as_labels(labels: object, count: int) -> Tensor:
    """As int64 of shape (count,). Raises ValueError."""
    tensor = _as_tensor("Labels", labels)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(
            f"Labels must be whole numbers, each the place of an image's class among `classes`; got {tensor.dtype}."
        )
    if tensor.dim() == 2 and len(tensor) == count and tensor.shape[1] > 1:
        raise ValueError(
            f"Labels must be one number for each image; got shape {tuple(tensor.shape)}. If they are one-hot: "
            "labels.argmax(1)."
        )
    if tensor.shape != (count,):
        raise ValueError(f"Labels must be of shape ({count},), one for each image; got {tuple(tensor.shape)}.")
    return tensor.to(torch.int64)


def as_classes(classes: object) -> tuple[str, ...]:
    """As a tuple of different names. Raises ValueError."""
    names = tuple(classes) if isinstance(classes, list | tuple) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"Classes must be different names, such as ('cat', 'dog'); got {classes!r}.")
    return names


def _as_tensor(what: str, values: Any) -> Tensor:
    try:
        if isinstance(values, np.ndarray):  # in an order of bytes, strides and a memory that torch can share
            values = np.require(values, values.dtype.newbyteorder("="), ["C", "W"])
        return torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        came = f"{type(values).__name__} ({' '.join(str(error).split())})"
        raise ValueError(f"{what} must be a tensor or an array of numbers; got {came}.") from None


def channels_first(images: Any, *, strict: bool = False) -> Any:
    """An array or tensor of images, of shape (n, channels, height, width) where it was (n, height, width, channels),
    with 1 or 3 channels; any other is given back as it is, also one that could be either, unless that is to be an error
    (`strict`). Raises ValueError."""
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) != 4 or shape[3] not in _CHANNELS:
        return images
    if shape[1] not in _CHANNELS:
        return _as_tensor("Images", images).permute(0, 3, 1, 2)
    if strict:
        raise ValueError(f"Images must have their channels first or last; got shape {shape}, which may be either.")
    return images
