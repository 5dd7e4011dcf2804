"""Perturbations: images in [0, 1] in, images in [0, 1] of the same class out."""

from robust.perturb.base import Perturbation, check_images
from robust.perturb.blur import GaussianBlur, gaussian_blur
from robust.perturb.noise import GaussianNoise
from robust.perturb.pixels import DeadPixels, HotPixels, MixedPixels, PixelFaults, StuckPixels, set_pixels
from robust.perturb.random import ImageRandom, key

__all__ = [
    "DeadPixels",
    "GaussianBlur",
    "GaussianNoise",
    "HotPixels",
    "ImageRandom",
    "MixedPixels",
    "Perturbation",
    "PixelFaults",
    "StuckPixels",
    "check_images",
    "gaussian_blur",
    "key",
    "set_pixels",
]
