"""Networks: images in [0, 1] in, logits out."""

from robust.models.ablated import ABLATED, Ablated
from robust.models.adapted import Adapted, Wants
from robust.models.alexnet import AlexNet
from robust.models.around import Around, innermost
from robust.models.convnet import ConvNet, ImagesTooSmallError, linear_head
from robust.models.fast import FastNet
from robust.models.inference import device_of, evaluating, folded, is_training, preserved
from robust.models.libraries import (
    HuggingFaceNetwork,
    LibraryNetwork,
    RobustBenchNetwork,
    TimmNetwork,
    TorchvisionNetwork,
    read_description,
)
from robust.models.onnx_file import OnnxGraph, OnnxNetwork, input_shape
from robust.models.outputs import OutputError, Thresholded, ask, gives_gradients, gives_logits, said
from robust.models.pretrained import IMAGENET, load_pretrained, published_digest
from robust.models.registry import UnknownNetworkError, make_network, register
from robust.models.resnet import ResNet
from robust.models.siamese import Siamese, trunk_of
from robust.models.standardize import Fitted, Standardize

__all__ = [
    "ABLATED",
    "IMAGENET",
    "Ablated",
    "Adapted",
    "AlexNet",
    "Around",
    "ConvNet",
    "FastNet",
    "Fitted",
    "HuggingFaceNetwork",
    "ImagesTooSmallError",
    "LibraryNetwork",
    "OnnxGraph",
    "OnnxNetwork",
    "OutputError",
    "ResNet",
    "RobustBenchNetwork",
    "Siamese",
    "Standardize",
    "Thresholded",
    "TimmNetwork",
    "TorchvisionNetwork",
    "UnknownNetworkError",
    "Wants",
    "ask",
    "device_of",
    "evaluating",
    "folded",
    "gives_gradients",
    "gives_logits",
    "innermost",
    "input_shape",
    "is_training",
    "linear_head",
    "load_pretrained",
    "make_network",
    "preserved",
    "published_digest",
    "read_description",
    "register",
    "said",
    "trunk_of",
]
