"""Sets of images in memory."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from robust.data.given import as_classes, as_images, as_labels
from robust.data.memory import GB, fits_on, free_memory
from robust.perturb.random import ImageRandom, key

_AT_ONCE = 500
_LARGE = GB  # bytes, from which on it is asked whether there is room


@dataclass(frozen=True)
class ImageSet:
    """Images as uint8 of shape (n, channels, height, width), labels as int64 of shape (n,), and the classes' names.

    Arrays become tensors; so do other types that mean one thing: integers from 0 to 255, floats from 0 to 1 (rounded to
    8 bits), grey images of shape (n, height, width). `extras` is what else is known of each image: tensors of n rows,
    by name. `places` are the images' places in their data set, int64 of shape (n,), by which all randomness is keyed: 0
    to n - 1 where they are not given. Part of a set, `images[rows]`, keeps them, so that an image is perturbed there as
    it is among all. Raises ValueError for anything else.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    places: Tensor = None  # type: ignore[assignment]
    background: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", as_images(self.images))
        object.__setattr__(self, "labels", as_labels(self.labels, len(self.images)))
        object.__setattr__(self, "classes", as_classes(self.classes))
        count = len(self.images)
        if count and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            low, high = int(self.labels.min()), int(self.labels.max())
            raise ValueError(
                f"Labels must be from 0 to {len(self.classes) - 1}, one for each class; got {low} to {high}."
            )
        if self.places is None:
            object.__setattr__(self, "places", torch.arange(count, device=self.images.device))
        if self.places.dtype != torch.int64 or self.places.shape != (count,):
            shape = tuple(self.places.shape)
            raise ValueError(f"Places must be int64 of shape ({count},); got {self.places.dtype} {shape}.")
        for name, extra in self.extras.items():
            if len(extra) != count:
                raise ValueError(f"Extras must have a row for each of the {count} images; got {len(extra)} of {name}.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device) -> "ImageSet":
        extras = {name: extra.to(device) for name, extra in self.extras.items()}
        images, labels, places = (one.to(device) for one in (self.images, self.labels, self.places))
        return replace(self, images=images, labels=labels, extras=extras, places=places)

    def near(self, device: torch.device) -> "ImageSet":
        """On the device, where the images fit there."""
        return self.to(device) if self.images.device == device or fits_on(self.images.nbytes, device) else self

    def __getitem__(self, rows: slice | Tensor) -> "ImageSet":
        """Part of the set: those of its images, with what is known of them. Raises ValueError for more than memory
        holds."""
        if isinstance(rows, Tensor):  # a slice copies nothing
            _check_memory(self.images, rows)
        extras = {name: extra[rows] for name, extra in self.extras.items()}
        images, labels, places = self.images[rows], self.labels[rows], self.places[rows]
        return replace(self, images=images, labels=labels, extras=extras, places=places)


@dataclass(frozen=True)
class Splits:
    """What a model trains on and what it is tested on: of the same classes and shape, at least one image to test on, or
    ValueError. Where there are none to train on, a network can only be tested.

    `digest` tells apart sets that share a name but not their pixels (someone's folder, a JPEG copy); None for a set
    that its name determines. `wnids` are the classes' numbers in WordNet (n01443537), where they are known; `notes`
    what a user was told of the images. `validation` are those of the training images that were set aside: `train` has
    the others.
    """

    train: ImageSet
    test: ImageSet
    digest: str | None = None
    wnids: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    validation: ImageSet | None = None

    def __post_init__(self) -> None:
        for name, ours, other in (
            ("classes", self.train.classes, self.test.classes),
            ("shape", self.train.shape, self.test.shape),
        ):
            if ours != other:
                raise ValueError(
                    f"Images to train on and to test on must have the same {name}; got {ours} and {other}."
                )
        if not len(self.test):
            raise ValueError(f"There must be images to test on; got none, and {len(self.train)} to train on.")


def _check_memory(images: Tensor, rows: Tensor) -> None:
    size = images[:1].nbytes * len(rows)
    if size > _LARGE and size > free_memory():
        raise ValueError(
            f"A part of images that are read from disk must fit into memory; got {len(rows)} of {len(images)}, of "
            f"{size / GB:.1f} GB. Take fewer, or smaller ones."
        )


def doubled(train: Tensor, test: Tensor) -> list[int]:
    """Which images of `test` are among those of `train`, pixel for pixel."""
    known = set(_hashes(train))
    return [place for place, one in enumerate(_hashes(test)) if one in known]


def _hashes(images: Tensor) -> Iterator[bytes]:
    """Of each image; of a few at a time, for they may not fit into memory."""
    for some in images.split(_AT_ONCE):
        for image in some.cpu().numpy():
            yield hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def one_of_each(images: ImageSet, count: int) -> Tensor:
    """The numbers of one image, the first, of each of up to `count` classes, at even steps through all: int64 of shape
    (m,), m at most `count`."""
    labels = images.labels.unique()
    chosen = labels[torch.linspace(0, len(labels) - 1, min(count, len(labels))).round().long()]
    return torch.stack([(images.labels == label).nonzero()[0, 0] for label in chosen])


def fixed_order(count: int) -> Tensor:
    """A random order of so many images, always the same: so that every batch holds every class."""
    return ImageRandom(key("order"), torch.arange(count)).uniform().argsort(stable=True)


def to_float(images: Tensor) -> Tensor:
    """uint8 images of any shape, 0 to 255, as float32 in [0, 1]; floating-point ones unchanged."""
    return images if images.is_floating_point() else images.float().div_(255)
