"""Perturbations: images in [0, 1] in, images in [0, 1] of the same class out."""

from robust.perturb.augmix import AugMix
from robust.perturb.base import Perturbation, check_images, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.choice import OneOf, World
from robust.perturb.drawn import DrawnStrength
from robust.perturb.geometry import Perspective, Rotation, Shear, Shift, Warp, Zoom, warp
from robust.perturb.noise import GaussianNoise
from robust.perturb.occlusion import Erasing, Mesh, PixelDropout, Texture
from robust.perturb.pixels import DeadPixels, HotPixels, MixedPixels, PixelFaults, StuckPixels
from robust.perturb.random import ImageRandom, key
from robust.perturb.view import ContrastView

__all__ = [
    "AugMix",
    "ContrastView",
    "DeadPixels",
    "DrawnStrength",
    "Erasing",
    "GaussianBlur",
    "GaussianNoise",
    "HotPixels",
    "ImageRandom",
    "Mesh",
    "MixedPixels",
    "OneOf",
    "Perspective",
    "Perturbation",
    "PixelDropout",
    "PixelFaults",
    "Rotation",
    "Shear",
    "Shift",
    "StuckPixels",
    "Texture",
    "Warp",
    "World",
    "Zoom",
    "check_images",
    "check_level",
    "key",
    "warp",
]
