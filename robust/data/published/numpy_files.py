"""Published test sets in NumPy's files: CIFAR-10-C and CIFAR-100-C, MNIST-C, CIFAR-10.1."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robust.data.cache import digest_of_images
from robust.data.images import ImageSet, Splits
from robust.data.published.one_test import KEY, RECREATED, PublishedTest
from robust.data.published.order import GROWING, check_images, check_severities
from robust.errors import one_line
from robust.perturb.corruptions import SEVERITIES

LABELS = "labels.npy"
#: CIFAR-10.1's images, by version
VERSIONS = re.compile(r"cifar10\.1_(v\d+)_data\.npy")
_IMAGES_OF_MNIST_C, _LABELS_OF_MNIST_C = "test_images.npy", "test_labels.npy"
_IDENTITY = "identity"  # of MNIST-C: the images as they are


def of_severities(name: str, folder: Path, splits: Splits) -> Iterator[PublishedTest]:
    """The tests of a folder such as CIFAR-10-C: labels.npy, the labels of the data's test images five times, and a file
    for each corruption, uint8 of shape (5 n, height, width, channels), in blocks of severities 1 to 5. Raises
    ValueError for anything else, as far as some images tell."""
    test, count = splits.test, len(splits.test)
    _check_tiled(folder / LABELS, _labels(folder / LABELS, splits), test.labels)
    for file in sorted(folder.glob("*.npy")):
        if file.name == LABELS:
            continue
        images = _images(file, SEVERITIES * count, splits)
        check_images(file, images, test.images)
        if file.stem in GROWING:
            check_severities(file, images, test.images)
        for block in range(SEVERITIES):
            rows = slice(block * count, (block + 1) * count)
            read = partial(_read, file, rows, test.labels, splits)
            recreated = (folder / RECREATED).is_file()
            yield _test(name, file.stem, block + 1, read, own=True, recreated=recreated)


def of_one_severity(name: str, folder: Path, splits: Splits) -> Iterator[PublishedTest]:
    """The tests of a folder such as MNIST-C: <corruption>/test_images.npy and test_labels.npy; they are the data's own
    images where the labels are theirs."""
    for place in places_of_mnist_c(folder):
        labels = _labels(place / _LABELS_OF_MNIST_C, splits)
        file = place / _IMAGES_OF_MNIST_C
        images = _images(file, len(labels), splits)
        own = torch.equal(labels, splits.test.labels)
        if own and place.name == _IDENTITY:
            check_images(file, images, splits.test.images)
        yield _test(name, place.name, 0, partial(_read, file, slice(None), labels, splits), own=own)


def places_of_mnist_c(folder: Path) -> list[Path]:
    """The corruptions' folders in MNIST-C's layout."""
    return sorted(one.parent for one in folder.glob(f"*/{_IMAGES_OF_MNIST_C}"))


def of_versions(name: str, folder: Path, splits: Splits) -> Iterator[PublishedTest]:
    """The tests of a folder such as CIFAR-10.1: cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy; of several versions
    the name says which."""
    found = {match[1]: file for file in sorted(folder.iterdir()) if (match := VERSIONS.fullmatch(file.name))}
    for version, file in found.items():
        labels = _labels(file.with_name(file.name.replace("_data", "_labels")), splits)
        _images(file, len(labels), splits)
        called = f"{name} {version}" if len(found) > 1 else name
        yield _test(called, "", 0, partial(_read, file, slice(None), labels, splits))


def _test(
    name: str, corruption: str, severity: int, read: partial[ImageSet], *, own: bool = False, recreated: bool = False
) -> PublishedTest:
    return PublishedTest(name, corruption, severity, read, partial(_identify, read), own=own, recreated=recreated)


def _identify(read: partial[ImageSet]) -> str:
    images = read()
    return digest_of_images(images.labels.tolist(), [images.images])


def _read(file: Path, rows: slice, labels: Tensor, splits: Splits) -> ImageSet:
    """These of the images in a file; the others are not read."""
    block = _opened(file)[rows]
    pixels = torch.from_numpy(block.reshape(*block.shape[:3], -1).transpose(0, 3, 1, 2).copy())
    return ImageSet(pixels, labels, splits.test.classes, background=splits.test.background)


def _images(file: Path, count: int, splits: Splits) -> np.ndarray:
    """A file's images, not read yet, of shape (count, height, width, channels). Raises ValueError for others."""
    images, (channels, height, width) = _opened(file), splits.test.shape
    wanted = (count, height, width, channels)
    shape = (*images.shape, 1) if images.ndim == len(wanted) - 1 else images.shape
    if images.dtype != np.uint8 or shape != wanted:
        raise ValueError(
            f"`{KEY}`: {file} must hold uint8 of shape {wanted}, so many images of the data's size; got {images.dtype} "
            f"of shape {images.shape}."
        )
    return images.reshape(wanted)


def _labels(file: Path, splits: Splits) -> Tensor:
    """A file's labels, int64 of shape (n,). Raises ValueError for what is none, or not of the data's classes."""
    if not file.is_file():
        raise FileNotFoundError(f"`{KEY}`: {file} must hold the labels of the images beside it; it is not there.")
    labels, classes = _opened(file), len(splits.test.classes)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise ValueError(f"`{KEY}`: {file} must hold whole numbers of shape (n,); got {labels.dtype} {labels.shape}.")
    least, most = int(labels.min()), int(labels.max())
    if not 0 <= least <= most < classes:
        raise ValueError(
            f"`{KEY}`: the labels in {file} must be of the data's classes, from 0 to {classes - 1}; got {least} to "
            f"{most}. It is a set for other data."
        )
    return torch.from_numpy(labels.astype(np.int64))


def _check_tiled(file: Path, labels: Tensor, own: Tensor) -> None:
    wanted = own.repeat(SEVERITIES)
    rule = f"the labels of the data's {len(own)} test images, in their order, {SEVERITIES} times"
    if len(labels) != len(wanted):
        raise ValueError(f"`{KEY}`: {file} must hold {rule}: {len(wanted)}; got {len(labels)}.")
    if (others := (labels != wanted).nonzero()[:, 0]).numel():
        place = int(others[0])
        raise ValueError(
            f"`{KEY}`: {file} must hold {rule}; got {labels[place]} for {wanted[place]} at place {place}, and "
            f"{len(others) - 1} others. The order is that of the published archive: data that is read from class "
            "folders has another."
        )


def _opened(file: Path) -> np.ndarray:
    """The array of a file, mapped: what is looked at is read. Raises ValueError for what is no such file."""
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"`{KEY}`: {file} cannot be read ({one_line(error)}). Unpack the set again.") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"`{KEY}`: {file} must hold one array, as numpy.save writes it; it is an archive.")
    return found
