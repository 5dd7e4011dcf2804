"""Networks: images in [0, 1] in, logits out."""

from robust.models.convnet import ConvNet, linear_head
from robust.models.standardize import Standardize

__all__ = ["ConvNet", "Standardize", "linear_head"]
