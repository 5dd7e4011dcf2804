"""Perturbations: images in [0, 1] in, images in [0, 1] of the same class out."""

from robust.perturb.base import DrawnStrength, Perturbation, check_images, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.gate import try_out
from robust.perturb.mixture import AugMix, Environment, OneOf
from robust.perturb.occlusion import Erasing, Mesh, PixelDropout, Texture
from robust.perturb.random import ImageRandom, key
from robust.perturb.sensor import DeadPixels, GaussianNoise, HotPixels, MixedPixels, PixelFaults, StuckPixels
from robust.perturb.simclr import SimCLRAugmentation
from robust.perturb.warp import Perspective, Rotation, Shear, Shift, Warp, Zoom, warp

__all__ = [
    "AugMix",
    "DeadPixels",
    "DrawnStrength",
    "Environment",
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
    "SimCLRAugmentation",
    "StuckPixels",
    "Texture",
    "Warp",
    "Zoom",
    "check_images",
    "check_level",
    "key",
    "try_out",
    "warp",
]
