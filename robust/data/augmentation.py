"""The ordinary augmentation of training images: none of it changes what is seen. What others do is checked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust.data.mixing import Augment, Mixing
from robust.perturb import ImageRandom, made_of, operations, try_out, warp
from robust.values.numbers import is_number


@dataclass(frozen=True)
class Augmentation:
    """Mirrors half of the images, moves each by up to `shift` of a side along both, and makes it up to `zoom` larger or
    smaller; drawn anew in every epoch. With `whole` it moves by whole pixels, which blurs nothing. What comes from
    outside is the mirror image.

    Called with images in [0, 1], shape (batch, channels, height, width), and an `ImageRandom`; returns such images."""

    flip: bool = True
    shift: float = 0.0
    zoom: float = 0.0
    whole: bool = False

    def __post_init__(self) -> None:
        for name, value, highest in (("shift", self.shift, 0.5), ("zoom", self.zoom, 1.0)):
            if not 0 <= value <= highest:
                raise ValueError(f"`data.augment.{name}` must be from 0 to {highest:g}; got {value}.")

    @property
    def made_of(self) -> dict[str, str]:
        """The operations that it is made of, each with its family (see `robust.perturb.made_of`)."""
        return operations(*(name for name in ("flip", "shift", "zoom") if getattr(self, name)))

    def __call__(self, images: Tensor, random: ImageRandom) -> Tensor:
        """Images in [0, 1], shape (batch, channels, height, width), as a network is shown them."""
        mirrored = (random.integers(2) == 1) & self.flip
        moved = (random.uniform(2) * 2 - 1) * (2 * self.shift)
        if self.whole:
            pixel = 2 / min(images.shape[-2:])  # where the shorter side is 2
            moved = (moved / pixel).round() * pixel
        scale = 1 + (random.uniform() * 2 - 1) * self.zoom
        if not (self.shift or self.zoom):
            return torch.where(mirrored[:, None, None, None], images.flip(3), images)
        matrices = torch.zeros(len(images), 3, 3, device=images.device)
        matrices[:, 0, 0] = torch.where(mirrored, -scale, scale)
        matrices[:, 1, 1] = scale
        matrices[:, :2, 2] = moved
        matrices[:, 2, 2] = 1
        return warp(images, matrices, outside="reflection")


class Cutout:
    """Puts a grey square into each image, its middle anywhere, so that some of it may lie outside (DeVries and Taylor
    2017, arXiv 1708.04552). `size` is its side, as a share of the shorter side of an image, above 0 and at most 1;
    `first` an augmentation that images go through before. Raises ValueError for another size.

    Called with images in [0, 1], shape (batch, channels, height, width), and an `ImageRandom`; returns such images."""

    def __init__(self, *, size: float = 0.5, first: Augment | None = None):
        if not (is_number(size) and 0 < size <= 1):
            raise ValueError(f"`data.augment.size` must be a number above 0 and at most 1; got {size}.")
        self.size, self.first = size, first
        self.made_of = {**operations("cutout"), **made_of(first)}

    def __call__(self, images: Tensor, random: ImageRandom) -> Tensor:
        images = images if self.first is None else self.first(images, random)
        sides = images.shape[-2:]
        length = max(1, round(self.size * min(sides)))
        inside = []
        for size in sides:
            start = random.integers(size) - length // 2
            places = torch.arange(size, device=images.device)
            inside.append((places >= start[:, None]) & (places < start[:, None] + length))
        return images.masked_fill(inside[0][:, None, :, None] & inside[1][:, None, None, :], 0.5)


def check_augmentation(augmentation: Augment, shape: tuple[int, int, int]) -> None:
    """Raises ValueError for what does not augment images of this shape (channels, height, width): two are tried."""

    def change(images: Tensor, places: Tensor) -> Tensor:
        shown = augmentation(images, ImageRandom(0, places))
        if isinstance(augmentation, Mixing):
            shown, _ = augmentation.mix(shown, 1 - images, ImageRandom(1, places))
        return shown

    try:
        try_out(change, shape, "data.augment")
    except ValueError as error:
        raise ValueError(
            f"{error} An augmentation is called with images in [0, 1], shape (batch, channels, height, width), and "
            "their random numbers, a robust.perturb.ImageRandom; it returns images alike. A torchvision transform is "
            "called by one of your own, which draws from these numbers."
        ) from error
