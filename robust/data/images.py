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
