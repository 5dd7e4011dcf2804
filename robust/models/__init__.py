"""Networks: images in [0, 1] in, logits out."""

from robust.models.convnet import ConvNet, folded, linear_head
from robust.models.standardize import Standardize

__all__ = ["ConvNet", "Standardize", "folded", "linear_head"]
