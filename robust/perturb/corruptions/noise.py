"""The corruptions that add noise: gaussian, shot, impulse and speckle noise."""

import torch
from torch import Tensor

from robust.perturb.corruptions.corruption import Corruption
from robust.perturb.random import ImageRandom

_FEW = 12.0  # photons: below, they are counted one by one
_WRONG = 0.004  # times 5 + |z|**5 over mean**1.5: by how much the expansion is wrong, at most
_ROUNDED = 5e-4  # by how much it is rounded, at most
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
    """Poisson counts of these means, float32, at least 0: the least count that is reached with a probability of
    `chance`, uniform from 0 to below 1 in steps of 2**-24, as SciPy's `poisson.ppf` says it.

    Means below 12 are counted. Above, it is the expansion of the quantile to the fourth order (Giles 2016, ACM
    Transactions on Mathematical Software 42); where that is too near to a whole number to tell, about one value in five
    hundred, the distribution itself decides.
    """
    low = chance < 0.5
    tail = torch.special.ndtri(torch.where(low, chance + _HALF, 1 - chance - _HALF))
    z = torch.where(low, tail, -tail)
    large = mean.clamp_min(_FEW)
    spread, square = large.sqrt(), z.square()
    quantile = large + spread * z + square / 6 - 2 / 3 - z * (2 + square) / (72 * spread)
    quantile += (square * (3 * square + 7) - 16) / (810 * large)
    count = quantile.ceil().clamp_min(0).flatten()
    known = mean >= _FEW
    nearest = quantile.round()
    wrong = _WRONG * (5 + square * square * z.abs()) / (large * spread) + _ROUNDED
    doubtful = known & ((quantile - nearest).abs() < wrong)
    places = doubtful.flatten().nonzero()[:, 0]
    least = nearest.flatten()[places]
    reached = torch.special.gammaincc(least.double() + 1, mean.flatten()[places].double())
    count.index_copy_(0, places, least + (reached < chance.flatten()[places]))
    few = (~known).flatten().nonzero()[:, 0]
    count.index_copy_(0, few, _counted(mean.flatten()[few], chance.flatten()[few]))
    return count.view_as(mean)


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
