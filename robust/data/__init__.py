"""Images: where they come from, how they rest in memory, how they reach a model."""

from robust.data.folder import folder
from robust.data.images import ImageSet, Splits, to_float
from robust.data.module import PerturbedData
from robust.data.sources import cifar10, digits, mnist

__all__ = ["ImageSet", "PerturbedData", "Splits", "cifar10", "digits", "folder", "mnist", "to_float"]
