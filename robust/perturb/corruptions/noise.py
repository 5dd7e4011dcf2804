"""The corruptions that add noise: gaussian, shot, impulse and speckle noise."""

import torch
from torch import Tensor

from robust.perturb.corruptions.corruption import Corruption
from robust.perturb.random import ImageRandom

_FEW = 12.0  # photons: below, they are counted one by one
_MOST = 40  # that are counted so: more are seen of 12 less than once in 10 billion times
_LOOK = 4  # of so many counts one looks whether any are left
_HALF = 2.0**-25  # of the distance between two uniform numbers


class GaussianNoise(Corruption):
    """Adds a normal sample to every value: `gaussian_noise` of the constant standard deviation."""

    name = "gaussian_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"noise": random.normal(*shape)}

    def corrupt(self, images: Tensor, std: float, *, noise: Tensor) -> Tensor:
        return images + std * noise.to(images.dtype)


class SpeckleNoise(GaussianNoise):
    """Adds a normal sample to every value in proportion to it: `speckle_noise`."""

    name = "speckle_noise"

    def corrupt(self, images: Tensor, std: float, *, noise: Tensor) -> Tensor:
        return images + images * (std * noise.to(images.dtype))


class ShotNoise(Corruption):
    """Counts photons, of which a white value has `photons` on average: `shot_noise`. Its gradient is that of the mean,
    since counts have none."""

    name = "shot_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"chance": random.uniform(*shape)}

    def corrupt(self, images: Tensor, photons: float, *, chance: Tensor) -> Tensor:
        with torch.no_grad():
            noise = poisson(images.float() * photons, chance).div_(photons) - images
        return images + noise.to(images.dtype)


class ImpulseNoise(Corruption):
    """Makes a share of the values, each channel by itself, black or white, either half of the time:
    `impulse_noise`."""

    name = "impulse_noise"

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"chance": random.uniform(*shape)}

    def corrupt(self, images: Tensor, share: float, *, chance: Tensor) -> Tensor:
        return torch.where(chance < share, (chance < share / 2).to(images.dtype), images)


def poisson(mean: Tensor, chance: Tensor) -> Tensor:
    """Poisson counts of these means, float32, at least 0: the least count that is reached with a probability above
    `chance`, uniform from 0 to below 1, as SciPy's `poisson.ppf` says it.

    Means below 12 are counted exactly. Above, it is the Cornish-Fisher expansion of the quantile to the third order,
    which is one count off for about one value in a hundred, and has the right mean and variance.
    """
    z = torch.special.ndtri((chance + _HALF).clamp(max=1 - _HALF * 2))  # a sum that rounds to 1 has no quantile
    spread = mean.clamp_min(_FEW).sqrt()
    square = z.square()
    skewed = (square - 1) / 6 + z * ((square - 3) / 24 - (2 * square - 5) / 36) / spread
    large = (mean + spread * z + skewed - 0.5).ceil().clamp_min(0)
    few = (mean < _FEW).flatten().nonzero()[:, 0]
    counted = _counted(mean.flatten()[few], chance.flatten()[few])
    return large.flatten().index_copy_(0, few, counted).view_as(mean)


def _counted(mean: Tensor, chance: Tensor) -> Tensor:
    """The same of small means, shape (n,): how many of the cumulative probabilities the chance is above."""
    part = torch.exp(-mean)
    total, count = part.clone(), torch.zeros_like(mean)
    for one in range(1, _MOST + 1):
        more = chance > total
        if one % _LOOK == 0 and mean.device.type == "cpu" and not more.any():
            break
        count += more
        part *= mean / one
        total += part
    return count
