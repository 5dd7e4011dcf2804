"""Perturbations: images in [0, 1] in, images in [0, 1] of the same class out."""

from robust.perturb.base import Perturbation, check_images, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.choice import OneOf
from robust.perturb.noise import GaussianNoise
from robust.perturb.pixels import DeadPixels, HotPixels, MixedPixels, PixelFaults, StuckPixels
from robust.perturb.random import ImageRandom, key

__all__ = [
    "DeadPixels",
    "GaussianBlur",
    "GaussianNoise",
    "HotPixels",
    "ImageRandom",
    "MixedPixels",
    "OneOf",
    "Perturbation",
    "PixelFaults",
    "StuckPixels",
    "check_images",
    "check_level",
    "key",
]
