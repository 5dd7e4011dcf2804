"""The ordinary augmentation of training images: none of it changes what is seen. What others do is checked."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from robust.data.mixing import Mixing
from robust.perturb import ImageRandom, try_out, warp


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


def check_augmentation(augmentation: Callable[[Tensor, ImageRandom], Tensor], shape: tuple[int, int, int]) -> None:
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
