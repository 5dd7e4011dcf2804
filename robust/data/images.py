"""Sets of images in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from robust.perturb.random import ImageRandom, key


@dataclass(frozen=True)
class ImageSet:
    """Images as uint8 of shape (n, channels, height, width), labels as int64 of shape (n,), and the classes' names.

    `extras` is what else is known of each image: tensors of n rows, by name. `places` are the images' places in their
    data set, int64 of shape (n,), by which all randomness is keyed: 0 to n - 1 where they are not given. Part of a set,
    `images[rows]`, keeps them, so that an image is perturbed there as it is among all.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    places: Tensor = None  # type: ignore[assignment]
    background: int | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            shape = tuple(self.images.shape)
            raise ValueError(
                f"Images must be uint8 of shape (n, channels, height, width); got {self.images.dtype} {shape}."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != (len(self.images),):
            shape = tuple(self.labels.shape)
            raise ValueError(f"Labels must be int64 of shape ({len(self.images)},); got {self.labels.dtype} {shape}.")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            low, high = int(self.labels.min()), int(self.labels.max())
            raise ValueError(
                f"Labels must be from 0 to {len(self.classes) - 1}, one for each class; got {low} to {high}."
            )
        if self.places is None:
            object.__setattr__(self, "places", torch.arange(len(self.images), device=self.images.device))
        if self.places.dtype != torch.int64 or self.places.shape != (len(self.images),):
            shape = tuple(self.places.shape)
            raise ValueError(f"Places must be int64 of shape ({len(self.images)},); got {self.places.dtype} {shape}.")
        assert all(len(extra) == len(self.images) for extra in self.extras.values())

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

    def __getitem__(self, rows: slice | Tensor) -> "ImageSet":
        """Part of the set: those of its images, with what is known of them."""
        extras = {name: extra[rows] for name, extra in self.extras.items()}
        images, labels, places = self.images[rows], self.labels[rows], self.places[rows]
        return replace(self, images=images, labels=labels, extras=extras, places=places)


@dataclass(frozen=True)
class Splits:
    """What a model trains on and what it is tested on.

    `digest` tells apart sets that share a name but not their pixels (someone's folder, a JPEG copy); None for a set
    that its name determines. `wnids` are the classes' numbers in WordNet (n01443537), where they are known.
    """

    train: ImageSet
    test: ImageSet
    digest: str | None = None
    wnids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        assert self.train.classes == self.test.classes, (self.train.classes, self.test.classes)
        assert self.train.shape == self.test.shape, (self.train.shape, self.test.shape)


def one_of_each(images: ImageSet, count: int) -> Tensor:
    """The numbers of one image, the first, of each of up to `count` classes, at even steps through all."""
    labels = images.labels.unique()
    chosen = labels[torch.linspace(0, len(labels) - 1, min(count, len(labels))).round().long()]
    return torch.stack([(images.labels == label).nonzero()[0, 0] for label in chosen])


def fixed_order(count: int) -> Tensor:
    """A random order of so many images, always the same: so that every batch holds every class."""
    return ImageRandom(key("order"), torch.arange(count)).uniform().argsort(stable=True)


def to_float(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]; floating-point ones unchanged."""
    return images if images.is_floating_point() else images.float().div_(255)
