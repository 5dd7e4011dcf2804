"""Training: LightningModules and callbacks."""

from robust.learn.classifier import Classifier, DivergedError
from robust.learn.curriculum import Constant, Curriculum, Schedule
from robust.learn.keeping import Curve, LastCheckpoint, Progress
from robust.learn.trainer import make_trainer

__all__ = [
    "Classifier",
    "Constant",
    "Curriculum",
    "Curve",
    "DivergedError",
    "LastCheckpoint",
    "Progress",
    "Schedule",
    "make_trainer",
]
