"""The common corruptions of Hendrycks and Dietterich 2019 (arXiv 1903.12261), on batches, keyed by image."""

from robust.perturb.common.base import Corruption
from robust.perturb.common.blur import CommonBlur, DefocusBlur, MotionBlur, ZoomBlur
from robust.perturb.common.colour import Brightness, Contrast, Pixelate, Saturate
from robust.perturb.common.constants import SEVERITIES, SIZES, constants
from robust.perturb.common.moved import ElasticTransform, GlassBlur
from robust.perturb.common.noise import CommonNoise, ImpulseNoise, ShotNoise, SpeckleNoise
from robust.perturb.common.weather import Fog

__all__ = [
    "SEVERITIES",
    "SIZES",
    "Brightness",
    "CommonBlur",
    "CommonNoise",
    "Contrast",
    "Corruption",
    "DefocusBlur",
    "ElasticTransform",
    "Fog",
    "GlassBlur",
    "ImpulseNoise",
    "MotionBlur",
    "Pixelate",
    "Saturate",
    "ShotNoise",
    "SpeckleNoise",
    "ZoomBlur",
    "constants",
]
