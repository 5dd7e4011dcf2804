"""Sensor noise."""

from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.random import ImageRandom


class GaussianNoise(Perturbation):
    """Adds a normal sample of mean 0 and standard deviation `std` to every value, then clips to [0, 1].

    `std` is a fraction of the value range, from 0 to 1. Source: Cavey et al. 2020 (arXiv 2004.03452), section V-B; what
    the text calls variance is used as the standard deviation.
    """

    name = "noise"

    def __init__(self, *, std: float):
        super().__init__()
        self.std = self.level = check_level(
            "std", std, "the noise's standard deviation as a fraction of [0, 1], e.g. 0.05"
        )
        if std > 1:
            raise ValueError(f"`std` must be at most 1, the range of images; got {std}. Noise levels are e.g. 0.05.")

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"noise": random.normal(*shape).mul_(self.std)}

    def apply(self, images: Tensor, *, noise: Tensor) -> Tensor:  # type: ignore[override]
        return (images + noise.to(images.dtype)).clamp(0, 1)
