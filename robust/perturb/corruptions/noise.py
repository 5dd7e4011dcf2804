"""The corruptions that add noise: gaussian, shot, impulse and speckle noise."""

import torch
from torch import Tensor

from robust.perturb.corruptions.corruption import Corruption, as_if_left
from robust.perturb.photons import counted
from robust.perturb.random import ImageRandom


class GaussianNoise(Corruption):
    """Adds a normal sample to every value: `gaussian_noise` of the constant standard deviation."""

    name = "gaussian_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"noise": random.normal(*shape)}

    def corrupt(self, images: Tensor, std: float, *, noise: Tensor) -> Tensor:
        return torch.add(images, noise.to(images.dtype), alpha=std)


class SpeckleNoise(GaussianNoise):
    """Adds a normal sample to every value in proportion to it: `speckle_noise`."""

    name = "speckle_noise"

    def corrupt(self, images: Tensor, std: float, *, noise: Tensor) -> Tensor:
        return torch.addcmul(images, images, noise.to(images.dtype), value=std)


class ShotNoise(Corruption):
    """Counts photons, of which a white value has `photons` on average: `shot_noise`. Its gradient is that of the mean,
    since counts have none."""

    name = "shot_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"words": random.words(*shape)}

    def corrupt(self, images: Tensor, photons: float, *, words: Tensor) -> Tensor:
        with torch.no_grad():
            counts = counted(images.float(), photons, words)
        return as_if_left(counts.div_(photons), images)


class ImpulseNoise(Corruption):
    """Makes a share of the values, each channel by itself, black or white, either half of the time:
    `impulse_noise`."""

    name = "impulse_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"chance": random.uniform(*shape)}

    def corrupt(self, images: Tensor, share: float, *, chance: Tensor) -> Tensor:
        return torch.where(chance < share, (chance < share / 2).to(images.dtype), images)
