"""A faulty sensor: stuck, hot and dead pixels, and noise. Source: Cavey et al. 2020 (arXiv 2004.03452), section V."""

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.random import ImageRandom


def set_pixels(images: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """Images with `values`, shape (batch or 1, channels, n), at `positions`, shape (batch or 1, n), which count row by
    row."""
    batch, channels = images.shape[:2]
    where = positions[:, None, :].expand(batch, channels, -1)
    return images.flatten(2).scatter(2, where, values.to(images.dtype).expand(batch, channels, -1)).view_as(images)


class PixelFaults(Perturbation):
    """`count` distinct positions of each image, drawn uniformly, get values that the picture has no part in.

    With `persistent=True` they are one sensor's: the same positions and values in every image. Raises ValueError for a
    `count` that is no whole number >= 0. Source: Cavey et al. 2020 (arXiv 2004.03452), section V-A.
    """

    fault: str

    def __init__(self, *, count: int, persistent: bool = False):
        super().__init__()
        self.count = int(check_level("count", count, "the number of faulty pixels in each image", whole=True))
        self.level = self.count
        self.persistent = persistent
        self.name = f"{self.fault}_persistent" if persistent else self.fault

    def check(self, shape: tuple[int, int, int]) -> None:
        _, height, width = shape
        if self.count > height * width:
            raise ValueError(
                f"`count` must be at most {height * width}, the pixels of a {height} x {width} image; got {self.count}."
            )

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        channels, height, width = shape
        if self.persistent:
            random = random.shared()
        return {"positions": random.distinct(height * width, self.count), "values": self.values(random, channels)}

    def values(self, random: ImageRandom, channels: int) -> Tensor:
        """What the faulty pixels show: shape (batch, channels, count), in [0, 1]."""
        raise NotImplementedError

    def apply_transform(self, images: Tensor, *, positions: Tensor, values: Tensor) -> Tensor:
        return set_pixels(images, positions, values)


class StuckPixels(PixelFaults):
    """Every channel of a faulty pixel shows its own uniform value in [0, 1)."""

    fault = "stuck"

    def values(self, random: ImageRandom, channels: int) -> Tensor:
        return random.uniform(channels, self.count)


class HotPixels(PixelFaults):
    """A faulty pixel shows 1 in every channel."""

    fault = "hot"

    def values(self, random: ImageRandom, channels: int) -> Tensor:
        return torch.ones(len(random), channels, self.count, device=random.device)


class DeadPixels(PixelFaults):
    """A faulty pixel shows 0 in every channel."""

    fault = "dead"

    def values(self, random: ImageRandom, channels: int) -> Tensor:
        return torch.zeros(len(random), channels, self.count, device=random.device)


class MixedPixels(PixelFaults):
    """Each faulty pixel is stuck, hot or dead, drawn at random."""

    fault = "pixel"

    def values(self, random: ImageRandom, channels: int) -> Tensor:
        fault = random.integers(3, 1, self.count)
        return torch.where(fault == 0, random.uniform(channels, self.count), (fault == 1).float())


class GaussianNoise(Perturbation):
    """Adds a normal sample of mean 0 and standard deviation `std` to every value, then clips to [0, 1].

    `std` is a fraction of the value range, from 0 to 1. Source: Cavey et al. 2020 (arXiv 2004.03452), section V-B; what
    the text calls variance is used as the standard deviation. Raises ValueError for another `std`.
    """

    name = "noise"
    values_at_a_time = 1 << 18  # 1 MiB stays in a core's cache

    def __init__(self, *, std: float):
        super().__init__()
        self.std = self.level = check_level(
            "std", std, "the noise's standard deviation as a fraction of [0, 1], e.g. 0.05", most=1
        )

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"noise": random.normal(*shape)}

    def apply_transform(self, images: Tensor, *, noise: Tensor) -> Tensor:
        noisy = torch.add(images, noise.to(images.dtype), alpha=self.std)
        return noisy.clamp_(0, 1) if self.bounded else noisy
