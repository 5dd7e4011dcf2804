"""Perturbations: images in [0, 1] in, images in [0, 1] of the same class out."""

from robust.perturb.augmix import AugMix, DrawnOperation
from robust.perturb.base import DrawnStrength, Perturbation, check_images, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.families import FAMILIES, made_of, operations
from robust.perturb.fractals import fractals
from robust.perturb.gate import try_out
from robust.perturb.mixture import Chains, Environment, OneOf
from robust.perturb.occlusion import Erasing, Mesh, PixelDropout, Texture
from robust.perturb.operations import OPERATIONS, operate
from robust.perturb.pixmix import PixMix
from robust.perturb.prime import ColourCurve, Diffeomorphism, Prime, RandomFilter
from robust.perturb.random import ImageRandom, key
from robust.perturb.sensor import DeadPixels, GaussianNoise, HotPixels, MixedPixels, PixelFaults, StuckPixels
from robust.perturb.simclr import SimCLRAugmentation
from robust.perturb.warp import Perspective, Rotation, Shear, Shift, Warp, Zoom, warp

__all__ = [
    "FAMILIES",
    "OPERATIONS",
    "AugMix",
    "Chains",
    "ColourCurve",
    "DeadPixels",
    "Diffeomorphism",
    "DrawnOperation",
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
    "PixMix",
    "PixelDropout",
    "PixelFaults",
    "Prime",
    "RandomFilter",
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
    "fractals",
    "key",
    "made_of",
    "operate",
    "operations",
    "try_out",
    "warp",
]
