"""Sets of images in memory."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images as uint8 of shape (n, channels, height, width), labels as int64 of shape (n,), and the classes' names."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        assert (self.images.dtype, self.images.dim()) == (torch.uint8, 4), (self.images.dtype, self.images.shape)
        assert self.labels.dtype == torch.int64, self.labels.dtype
        assert len(self.labels) == len(self.images), (len(self.labels), len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device) -> "ImageSet":
        return ImageSet(self.images.to(device), self.labels.to(device), self.classes)

    def first(self, count: int) -> "ImageSet":
        return ImageSet(self.images[:count], self.labels[:count], self.classes)


@dataclass(frozen=True)
class Splits:
    """What a model trains on and what it is tested on.

    `digest` tells apart sets that share a name but not their pixels (someone's folder, a JPEG copy); None for a set
    that its name determines.
    """

    train: ImageSet
    test: ImageSet
    digest: str | None = None

    def __post_init__(self) -> None:
        assert self.train.classes == self.test.classes, (self.train.classes, self.test.classes)
        assert self.train.shape == self.test.shape, (self.train.shape, self.test.shape)


def to_float(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]; floating-point ones unchanged."""
    return images if images.is_floating_point() else images.float().div_(255)
