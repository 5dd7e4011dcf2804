"""Where images come from: each function returns the two splits of a data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from robust.data.archive import counted_as, explained
from robust.data.folder import folder
from robust.data.images import ImageSet, Splits
from robust.errors import check
from robust.values.numbers import is_whole

_MNIST_TRAIN = 50_000  # of the 60,000 training images: Cavey et al. 2020 (arXiv 2004.03452)
_DIGITS_TEST = 497
_DIGITS = tuple(str(digit) for digit in range(10))
#: images to train and to test on, as published
_EMNIST = {
    "balanced": (112_800, 18_800),
    "byclass": (697_932, 116_323),
    "bymerge": (697_932, 116_323),
    "digits": (240_000, 40_000),
    "letters": (124_800, 20_800),
    "mnist": (60_000, 10_000),
}
_LARGEST = 512  # pixels a side that the digits are enlarged to


def digits(*, size: int = 28) -> Splits:
    """scikit-learn's 1,797 real handwritten digits, 8x8, enlarged bilinearly to `size`; 1,300 to train, 497 to test,
    stratified."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    check("data.source.size", size, f"from 1 to {_LARGEST}", 1 <= size <= _LARGEST)
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float()[:, None] / 16
    images = functional.interpolate(images, size=(size, size), mode="bilinear").mul(255).round().to(torch.uint8)
    labels = torch.from_numpy(bunch.target).long()
    rows = range(len(images))
    train, test = train_test_split(rows, test_size=_DIGITS_TEST, stratify=labels, random_state=0)
    return Splits(ImageSet(images[train], labels[train], _DIGITS), ImageSet(images[test], labels[test], _DIGITS))


def mnist(*, dir: str, download: bool) -> Splits:
    """MNIST, 28x28, grey: the first 50,000 training images and the 10,000 test images.

    Reads the original files in `dir`/MNIST/raw. Raises FileNotFoundError where they are absent and cannot be
    downloaded, ValueError where one is damaged.
    """
    from torchvision.datasets import MNIST

    with explained("MNIST", Path(dir) / "MNIST" / "raw", download):
        train, test = (MNIST(dir, train=part, download=download) for part in (True, False))
        return Splits(
            ImageSet(train.data[:_MNIST_TRAIN, None], train.targets[:_MNIST_TRAIN], _DIGITS),
            ImageSet(test.data[:, None], test.targets, _DIGITS),
        )


def cifar10(*, dir: str, download: bool, per_class: int | None = None, cache_dir: str | None = None) -> Splits:
    """CIFAR-10, 32x32, colour: 50,000 images to train, 10,000 to test.

    From class folders in `dir`/cifar10 where there are any, else torchvision's archive in `dir`. With `per_class` only
    so many training images of each class, the first. Raises FileNotFoundError where neither is there and nothing can be
    downloaded, ValueError where a file is damaged or there are not so many.
    """
    from torchvision.datasets import CIFAR10

    folders = Path(dir) / "cifar10"
    if folders.is_dir():
        return _fewer(folder(path=str(folders), size=32, channels=3, cache_dir=cache_dir), per_class)
    with explained("CIFAR-10", Path(dir) / "cifar-10-batches-py", download):
        train, test = (CIFAR10(dir, train=part, download=download) for part in (True, False))
    return _fewer(_cifar(train, test), per_class)


def cifar100(*, dir: str, download: bool, per_class: int | None = None) -> Splits:
    """CIFAR-100, 32x32, colour, 100 classes: 50,000 images to train, 10,000 to test (torchvision's archive in `dir`).

    With `per_class` only so many training images of each class, the first. Raises FileNotFoundError where it is not
    there and cannot be downloaded, ValueError where a file is damaged or there are not so many images.
    """
    from torchvision.datasets import CIFAR100

    with explained("CIFAR-100", Path(dir) / "cifar-100-python", download):
        train, test = (CIFAR100(dir, train=part, download=download) for part in (True, False))
    return _fewer(counted_as("CIFAR-100", _cifar(train, test), train=50_000, test=10_000), per_class)


def fashion_mnist(*, dir: str, download: bool) -> Splits:
    """Fashion-MNIST, 28x28, grey, 10 classes of clothes: 60,000 images to train, 10,000 to test (arXiv 1708.07747).

    Reads the original files in `dir`/FashionMNIST/raw. Raises FileNotFoundError where they are absent and cannot be
    downloaded, ValueError where one is damaged.
    """
    from torchvision.datasets import FashionMNIST

    with explained("Fashion-MNIST", Path(dir) / "FashionMNIST" / "raw", download):
        train, test = (FashionMNIST(dir, train=part, download=download) for part in (True, False))
        classes = tuple(train.classes)
        parts = [ImageSet(part.data[:, None], part.targets, classes) for part in (train, test)]
    return counted_as("Fashion-MNIST", Splits(parts[0], parts[1]), train=60_000, test=10_000)


def emnist(
    *,
    dir: str,
    download: bool,
    split: Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"] = "balanced",
) -> Splits:
    """EMNIST, 28x28, grey: handwritten letters and digits of NIST (arXiv 1702.05373), by one of its six splits:
    `balanced` has 47 classes, 112,800 images to train and 18,800 to test. Upright, though the files hold them
    transposed.

    Reads the original files in `dir`/EMNIST/raw. Raises FileNotFoundError where they are absent and cannot be
    downloaded, ValueError where one is damaged.
    """
    from torchvision.datasets import EMNIST

    place = Path(dir) / "EMNIST" / "raw" / f"emnist-{split}-train-images-idx3-ubyte"
    with explained(f"EMNIST ({split})", place, download):
        train, test = (EMNIST(dir, split=split, train=part, download=download) for part in (True, False))
        classes = tuple(train.classes)
        first = int(classes[0] == "N/A")  # letters are counted from 1
        parts = [
            ImageSet(part.data.transpose(1, 2)[:, None].contiguous(), part.targets - first, classes[first:])
            for part in (train, test)
        ]
    count = dict(zip(("train", "test"), _EMNIST[split], strict=True))
    return counted_as(f"EMNIST ({split})", Splits(parts[0], parts[1]), **count)


def svhn(*, dir: str, download: bool) -> Splits:
    """SVHN, 32x32, colour, the ten digits of house numbers: 73,257 images to train, 26,032 to test.

    Reads train_32x32.mat and test_32x32.mat in `dir`. Raises FileNotFoundError where they are absent and cannot be
    downloaded, ValueError where one is damaged.
    """
    from torchvision.datasets import SVHN

    sets = []
    for part in ("train", "test"):
        with explained("SVHN", Path(dir) / f"{part}_32x32.mat", download):
            found = SVHN(dir, split=part, download=download)
            sets.append(ImageSet(found.data, found.labels, _DIGITS))
    return counted_as("SVHN", Splits(sets[0], sets[1]), train=73_257, test=26_032)


def stl10(*, dir: str, download: bool) -> Splits:
    """STL-10, 96x96, colour, 10 classes: the 5,000 labelled images to train on, 8,000 to test.

    Reads {train,test}_{X,y}.bin in `dir`/stl10_binary; of the unlabelled images nothing is read, though a download
    brings them. Raises FileNotFoundError where they are absent and cannot be downloaded, ValueError where one is
    damaged.
    """
    from torchvision.datasets import STL10

    root = Path(dir) / STL10.base_folder
    files = [root / f"{part}_{kind}.bin" for part in ("train", "test") for kind in ("X", "y")]
    with explained("STL-10", root, download):
        if download and not all(file.is_file() for file in files):
            STL10(dir, download=True)
        images = [torch.from_numpy(np.fromfile(file, np.uint8)).view(-1, 3, 96, 96).mT for file in files[::2]]
        labels = [torch.from_numpy(np.fromfile(file, np.uint8)).long() - 1 for file in files[1::2]]
        classes = tuple((root / STL10.class_names_file).read_text().split())
        parts = [ImageSet(*part, classes) for part in zip((one.contiguous() for one in images), labels, strict=True)]
    return counted_as("STL-10", Splits(parts[0], parts[1]), train=5_000, test=8_000)


def _cifar(train: Any, test: Any) -> Splits:
    classes = tuple(train.classes)
    images = [ImageSet(_channels_first(part.data), torch.tensor(part.targets), classes) for part in (train, test)]
    return Splits(images[0], images[1])


def _fewer(splits: Splits, per_class: int | None) -> Splits:
    """The first training images of each class, in their order; None: all."""
    if per_class is None:
        return splits
    train, classes = splits.train, range(len(splits.train.classes))
    rows = [(train.labels == label).nonzero()[:, 0] for label in classes]
    most = min(map(len, rows))
    if not (is_whole(per_class, 1) and per_class <= most):
        raise ValueError(f"`data.per_class` must be from 1 to {most}, all there are of a class; got {per_class}.")
    return replace(splits, train=train[torch.cat([mine[:per_class] for mine in rows]).sort().values])


def _channels_first(images: object) -> Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2).contiguous()
