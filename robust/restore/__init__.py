"""Restoration: what is done to pictures before a trained network sees them, to undo what a camera did.

`Denoiser` alone learns, from the images that a network was trained on. `Restored` is a network behind a restoration;
attacks see through those that are `differentiable`.
"""

from robust.restore.denoiser import Denoiser
from robust.restore.filters import Bilateral, DefectivePixels, Gaussian, Jpeg, Median, Unsharp
from robust.restore.restoration import Restoration, Restored, hides_gradients

__all__ = [
    "Bilateral",
    "DefectivePixels",
    "Denoiser",
    "Gaussian",
    "Jpeg",
    "Median",
    "Restoration",
    "Restored",
    "Unsharp",
    "hides_gradients",
]
