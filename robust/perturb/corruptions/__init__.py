"""The common corruptions of Hendrycks and Dietterich 2019 (arXiv 1903.12261), on batches, keyed by image."""

from robust.perturb.corruptions.blur import DefocusBlur, GaussianBlur, GlassBlur, MotionBlur, ZoomBlur
from robust.perturb.corruptions.corruption import Corruption
from robust.perturb.corruptions.digital import Contrast, ElasticTransform, JpegCompression, Pixelate, Saturate
from robust.perturb.corruptions.frost import DrawnFrost, Frost
from robust.perturb.corruptions.noise import GaussianNoise, ImpulseNoise, ShotNoise, SpeckleNoise
from robust.perturb.corruptions.severity import SEVERITIES, SIZES, constants
from robust.perturb.corruptions.spatter import Spatter
from robust.perturb.corruptions.weather import Brightness, Fog, Snow

#: the corruptions by name
CORRUPTIONS: dict[str, type[Corruption]] = {
    one.name: one
    for one in (
        *(GaussianNoise, ShotNoise, ImpulseNoise, SpeckleNoise),
        *(GaussianBlur, DefocusBlur, GlassBlur, MotionBlur, ZoomBlur),
        *(Snow, Frost, DrawnFrost, Fog, Brightness, Spatter),
        *(Contrast, Saturate, ElasticTransform, Pixelate, JpegCompression),
    )
}

__all__ = [
    "CORRUPTIONS",
    "SEVERITIES",
    "SIZES",
    "Brightness",
    "Contrast",
    "Corruption",
    "DefocusBlur",
    "DrawnFrost",
    "ElasticTransform",
    "Fog",
    "Frost",
    "GaussianBlur",
    "GaussianNoise",
    "GlassBlur",
    "ImpulseNoise",
    "JpegCompression",
    "MotionBlur",
    "Pixelate",
    "Saturate",
    "ShotNoise",
    "Snow",
    "Spatter",
    "SpeckleNoise",
    "ZoomBlur",
    "constants",
]
