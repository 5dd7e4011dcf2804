"""Where images come from: each function returns the two splits of a data set."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from robust.data.folder import folder
from robust.data.images import ImageSet, Splits
from robust.errors import check
from robust.files.claiming import claimed_in_turn
from robust.values.numbers import is_whole

_MNIST_TRAIN = 50_000  # of the 60,000 training images: Cavey et al. 2020 (arXiv 2004.03452)
_DIGITS_TEST = 497
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
    classes = tuple(str(digit) for digit in range(10))
    return Splits(ImageSet(images[train], labels[train], classes), ImageSet(images[test], labels[test], classes))


def mnist(*, dir: str, download: bool) -> Splits:
    """MNIST, 28x28, grey: the first 50,000 training images and the 10,000 test images.

    Reads the original files in `dir`/MNIST/raw. Raises FileNotFoundError where they are absent and cannot be
    downloaded, ValueError where one is damaged.
    """
    from torchvision.datasets import MNIST

    with _explained("MNIST", Path(dir) / "MNIST" / "raw", download):
        train, test = (MNIST(dir, train=part, download=download) for part in (True, False))
        classes = tuple(str(digit) for digit in range(10))
        return Splits(
            ImageSet(train.data[:_MNIST_TRAIN, None], train.targets[:_MNIST_TRAIN], classes),
            ImageSet(test.data[:, None], test.targets, classes),
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
    with _explained("CIFAR-10", Path(dir) / "cifar-10-batches-py", download):
        train, test = (CIFAR10(dir, train=part, download=download) for part in (True, False))
    classes = tuple(train.classes)
    images = [ImageSet(_channels_first(part.data), torch.tensor(part.targets), classes) for part in (train, test)]
    return _fewer(Splits(images[0], images[1]), per_class)


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


@contextlib.contextmanager
def _explained(name: str, place: Path, download: bool) -> Iterator[None]:
    """Turns what torchvision raises into what the user should know."""
    there = place.is_dir() and any(place.iterdir())
    try:
        with (
            _alone(place.parent, name) if download else contextlib.nullcontext(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            yield
    except (OSError, RuntimeError, ValueError, AssertionError, EOFError, KeyError) as error:
        if there:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{name} in {place} is damaged ({reason}). Delete it and fetch it again.") from error
        tried, other = (" and could not be downloaded", "") if download else ("", ", or `data.download=true`")
        raise FileNotFoundError(
            f"{name} is not in {place}{tried}. Set `data.dir` (or ROBUST_DATA) to the folder that holds it{other}."
        ) from error


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """One process at a time downloads; the others find what it downloaded. None does where it cannot write."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(claimed_in_turn(folder / ".download.claim", f"{name} in {folder}"))
        yield
