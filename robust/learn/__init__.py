"""Training: LightningModules and callbacks."""

from robust.learn.adversary import SignAdversary
from robust.learn.averaging import Averaging
from robust.learn.callbacks import AtomicIO, EpochLogger, LastCheckpoint, PausedError, Pausing, Progress
from robust.learn.classifier import Classifier
from robust.learn.curriculum import Constant, Cosine, Curriculum, Linear, OneCycle, Schedule, Steps, lr_factor
from robust.learn.denoising import Denoising
from robust.learn.doubts import as_trained, doubts
from robust.learn.objective import Adversarial, JSDConsistency, Objective, Perturbed, Trades
from robust.learn.pretext import KnnAccuracy, RotationPrediction, SimCLR, nt_xent
from robust.learn.stacked import StackedCheckpoints, StackedClassifier, StackedData
from robust.learn.start import NEW, FrozenNorms, copy_weights, freeze
from robust.learn.task import DivergedError, Guess, Task, has_finite_weights
from robust.learn.trainer import count_devices, is_one_of_several, make_trainer, on_gpu
from robust.learn.validation import Validation, validate

__all__ = [
    "NEW",
    "Adversarial",
    "AtomicIO",
    "Averaging",
    "Classifier",
    "Constant",
    "Cosine",
    "Curriculum",
    "Denoising",
    "DivergedError",
    "EpochLogger",
    "FrozenNorms",
    "Guess",
    "JSDConsistency",
    "KnnAccuracy",
    "LastCheckpoint",
    "Linear",
    "Objective",
    "OneCycle",
    "PausedError",
    "Pausing",
    "Perturbed",
    "Progress",
    "RotationPrediction",
    "Schedule",
    "SignAdversary",
    "SimCLR",
    "StackedCheckpoints",
    "StackedClassifier",
    "StackedData",
    "Steps",
    "Task",
    "Trades",
    "Validation",
    "as_trained",
    "copy_weights",
    "count_devices",
    "doubts",
    "freeze",
    "has_finite_weights",
    "is_one_of_several",
    "lr_factor",
    "make_trainer",
    "nt_xent",
    "on_gpu",
    "validate",
]
