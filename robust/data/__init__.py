"""Images: where they come from, how they rest in memory, how they reach a model."""

from robust.data.arrays import npz
from robust.data.augmentation import Augmentation, Cutout
from robust.data.dataset import as_image_set
from robust.data.folder import folder
from robust.data.imagenet import imagenet
from robust.data.images import ImageSet, Splits, one_of_each, to_float
from robust.data.libraries import huggingface, torchvision
from robust.data.mixing import CutMix, Mixing, Mixup
from robust.data.module import Batch, PerturbedData
from robust.data.operations import DrawnOperations, RandAugment, TrivialAugment
from robust.data.pretext import label_subset, patch_pairs, rotation_dataset
from robust.data.published import PublishedTest, named_folders, published_tests, recreate
from robust.data.sources import cifar10, cifar100, digits, emnist, fashion_mnist, mnist, stl10, svhn
from robust.data.tiny_imagenet import tiny_imagenet
from robust.data.validation import fewer_tests, hold_out

__all__ = [
    "Augmentation",
    "Batch",
    "CutMix",
    "Cutout",
    "DrawnOperations",
    "ImageSet",
    "Mixing",
    "Mixup",
    "PerturbedData",
    "PublishedTest",
    "RandAugment",
    "Splits",
    "TrivialAugment",
    "as_image_set",
    "cifar10",
    "cifar100",
    "digits",
    "emnist",
    "fashion_mnist",
    "fewer_tests",
    "folder",
    "hold_out",
    "huggingface",
    "imagenet",
    "label_subset",
    "mnist",
    "named_folders",
    "npz",
    "one_of_each",
    "patch_pairs",
    "published_tests",
    "recreate",
    "rotation_dataset",
    "stl10",
    "svhn",
    "tiny_imagenet",
    "to_float",
    "torchvision",
]
