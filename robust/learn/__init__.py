"""Training: LightningModules and callbacks."""

from robust.learn.classifier import Classifier, DivergedError
from robust.learn.curriculum import Constant, Cosine, Curriculum, Linear, Schedule, Steps
from robust.learn.keeping import Curve, LastCheckpoint, Progress
from robust.learn.start import FrozenNorms, freeze, take_weights
from robust.learn.trainer import count_devices, is_one_of_several, make_trainer, on_gpu

__all__ = [
    "Classifier",
    "Constant",
    "Cosine",
    "Curriculum",
    "Curve",
    "DivergedError",
    "FrozenNorms",
    "LastCheckpoint",
    "Linear",
    "Progress",
    "Schedule",
    "Steps",
    "count_devices",
    "freeze",
    "is_one_of_several",
    "make_trainer",
    "on_gpu",
    "take_weights",
]
