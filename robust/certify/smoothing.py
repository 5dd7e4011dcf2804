"""How copies of an image are drawn, and how far an image may then be changed before the prediction of most copies is
another.

A smoothed classifier gives an image the class that a network gives most of its random copies. Both kinds of copies are
perturbations too, which networks are trained on so that they recognise them.
"""

from fractions import Fraction
from math import comb

import torch
from scipy.special import ndtri
from torch import Tensor

from robust.errors import check
from robust.models import ABLATED
from robust.perturb import GaussianNoise, ImageRandom, Perturbation
from robust.values.numbers import is_whole

_KEPT = 2.0  # more than any value of an image


class Gaussian(GaussianNoise):
    """Copies with a normal sample of mean 0 and standard deviation `std` added to every value, and not clipped (Cohen,
    Rosenfeld and Kolter 2019, arXiv 1902.02918). `std` as of `GaussianNoise`, above 0 to certify."""

    bounded = False
    certificate = "gaussian"
    copies_at_a_time = 500  # of a small network's images these stay in the cache

    def certified(self, least: float, pixels: int) -> float:
        """Within which Euclidean distance no image is given another class, where at least this share of all copies has
        the class; NaN where that is no majority. Of images in [0, 1], of so many `pixels`."""
        return float(self.std * ndtri(least)) if least > 0.5 else float("nan")


class Ablation(Perturbation):
    """Copies of which `keep` pixels, drawn uniformly, are kept with all their channels, and all others show `ABLATED`
    (Levine and Feizi 2020, arXiv 1911.09272). Raises ValueError for a `keep` that is no whole number >= 1."""

    name = "keep"
    bounded = False
    certificate = "ablation"
    copies_at_a_time = 250  # which a network sees with twice the channels

    def __init__(self, *, keep: int):
        super().__init__()
        check("keep", keep, "a whole number >= 1, of pixels", is_whole(keep, 1))
        self.keep = self.level = int(keep)

    def check(self, shape: tuple[int, int, int]) -> None:
        pixels = shape[1] * shape[2]
        rule = f"at most {pixels}, the pixels of an image of {shape[1]} x {shape[2]}"
        check("keep", self.keep, rule, self.keep <= pixels)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        _, height, width = shape
        most = torch.full((len(random), height * width), ABLATED, device=random.device)
        most.scatter_(1, random.distinct(height * width, self.keep), _KEPT)
        return {"most": most.view(-1, 1, height, width)}

    def apply_transform(self, images: Tensor, *, most: Tensor) -> Tensor:
        return torch.minimum(images, most.to(images.dtype))  # five times as fast as a choice by truth values

    def certified(self, least: float, pixels: int) -> float:
        """How many pixels may show anything, wherever they are, so that no image is given another class, where at least
        this share of all copies of an image of so many `pixels` has the class; NaN where that is no majority.

        A copy that keeps none of s pixels is the same whatever these show; the share of the others is 1 - C(d-s, k) /
        C(d, k). Less than that a share can lose, and it must stay above a half: computed in whole numbers."""
        left, every = Fraction(least), comb(pixels, self.keep)
        count = -1
        while count < pixels and left - 1 + Fraction(comb(pixels - count - 1, self.keep), every) > Fraction(1, 2):
            count += 1
        return float(count) if count >= 0 else float("nan")


Smoothing = Gaussian | Ablation
