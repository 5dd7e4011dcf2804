"""Anyone's images as an `ImageSet`: arrays, or a torch `Dataset` of pairs, read once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from robust.data.given import as_images, as_labels, channels_first
from robust.data.images import ImageSet
from robust.errors import one_line
from robust.progress import progressing

_NO_DATASETS = (str, bytes, Mapping, Tensor, np.ndarray)


def as_image_set(data: Any) -> ImageSet:
    """Anyone's labelled images as an `ImageSet`.

    `data` is one; or arrays `(images, labels)` of NumPy or torch: images of shape (n, channels, height, width), (n,
    height, width, channels) or (n, height, width), uint8 from 0 to 255 or floats in [0, 1], and labels as whole numbers
    of shape (n,); or a torch `Dataset` of pairs (image, label), all of one size, each image a PIL image, an array or a
    tensor. The classes are called as a Dataset's `classes` say, else by their numbers, up to the greatest label. Raises
    ValueError for anything else.
    """
    names = None
    if isinstance(data, ImageSet):
        return data
    if isinstance(data, DataLoader):
        raise ValueError("`data` must be a Dataset, not a DataLoader, which may mix it: give loader.dataset.")
    if isinstance(data, tuple | list) and len(data) == 2 and all(hasattr(one, "shape") for one in data):
        images, labels = data
    elif isinstance(data, Dataset) or (hasattr(data, "__getitem__") and not isinstance(data, _NO_DATASETS)):
        images, labels = _read(data)
        names = getattr(data, "classes", None) or getattr(getattr(data, "dataset", None), "classes", None)
    else:
        raise ValueError(
            "`data` must be a choice of data, a folder, a .npz file, a torch Dataset, arrays (images, labels) or a "
            f"robust.data.ImageSet; got {type(data).__name__}."
        )
    images = as_images(channels_first(images))
    labels = as_labels(labels, len(images))
    if not len(images):
        raise ValueError("`data` must hold images; got none.")
    return ImageSet(images, labels, tuple(map(str, names or range(int(labels.max()) + 1))))


def _read(data: Any) -> tuple[Tensor, Tensor]:
    """All images, in 8 bits, and labels of a Dataset."""
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, IterableDataset):
        raise ValueError("`data` must be a Dataset whose images have places (__getitem__ and __len__); it has none.")
    images, labels = list[Tensor](), list[int]()
    for place in progressing(range(len(data)), "reading images", "image", len(data)):
        image, label = _pair(data, place)
        if images and image.shape != images[0].shape:
            first, other = tuple(images[0].shape), tuple(image.shape)
            raise ValueError(
                f"The images of `data` must be of one shape; got {first}, and {other} at place {place}. Add Resize and "
                "CenterCrop to the Dataset's transform."
            )
        images.append(image)
        labels.append(label)
    if not images:
        raise ValueError("`data` must hold images; got none.")
    return torch.stack(images), torch.tensor(labels)


def _pair(data: Any, place: int) -> tuple[Tensor, int]:
    """An image, shape (channels, height, width), and its label."""
    pair = data[place]
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"`data` must give pairs (image, label); got {type(pair).__name__} at place {place}.")
    image, label = pair
    try:
        number = int(label)
        exact = number == label
    except (TypeError, ValueError):
        exact = False
    if not bool(exact):
        raise ValueError(f"The labels of `data` must be whole numbers; got {label!r} at place {place}.")
    return _image(image, place), number


def _image(image: Any, place: int) -> Tensor:
    """As uint8, shape (channels, height, width)."""
    if isinstance(image, Image.Image):
        if image.mode[0] in "IF":
            raise ValueError(f"The images of `data` must have 8 bits; got mode {image.mode} at place {place}.")
        image = np.array(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    try:
        pixels = torch.as_tensor(image)
        return as_images(channels_first(pixels[None]))[0]
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        advice = ""
        if isinstance(image, Tensor) and image.is_floating_point():
            advice = " If they are normalised: take Normalize out of the transform and put it into the model, in front."
        raise ValueError(f"The images of `data` cannot be read at place {place}: {one_line(error)}{advice}") from error
