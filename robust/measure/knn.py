"""What a network makes of images before its head decides, and how much of the classes is in it: k-NN accuracy."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.data import ImageSet, to_float
from robust.models import OutputError, ask, device_of, evaluating, trunk_of

_TEMPERATURE = 0.07
_NEIGHBOURS, _SHARE = 200, 250  # as published for 50,000 images: one of each 250


def features(model: nn.Module, images: Tensor, *, batch_size: int = 500) -> Tensor:
    """What the model's head is given of each image: shape (n, features), on the CPU. `images`: uint8, or in [0, 1],
    shape (n, channels, height, width). Raises OutputError where one is not finite."""
    trunk = trunk_of(model)
    device = device_of(trunk)
    kept: list[Tensor] = []
    head = trunk.get_submodule("head")
    hook = head.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0].flatten(1).float().cpu()))
    try:
        with evaluating(trunk), torch.inference_mode():
            for part in images.split(batch_size):
                ask(trunk, to_float(part).to(device))
    finally:
        hook.remove()
    found = torch.cat(kept)
    if not found.isfinite().all():
        number = int((~found.isfinite().all(1)).nonzero()[0, 0])
        raise OutputError(f"The model must give its head finite features; got NaN or infinity for image {number}.")
    return found


def knn_accuracy(model: nn.Module, known: ImageSet, asked: ImageSet) -> float:
    """k-NN accuracy: the share of the images `asked` whose class is that of their nearest neighbours: the 200 images of
    `known`, or of fewer than 50,000 one of each 250, whose features point most nearly the same way, each with a vote of
    exp(cosine / 0.07) (Wu et al. 2018, arXiv 1805.01978). A fraction; nothing is trained for it."""
    count = max(1, min(_NEIGHBOURS, len(known) // _SHARE))
    bank, queries = (functional.normalize(features(model, one.images)) for one in (known, asked))
    right = 0
    for rows in torch.arange(len(asked)).split(500):
        with torch.autocast("cpu", enabled=False):  # of many that are nearly as near
            near, which = (queries[rows] @ bank.T).topk(count)
        votes = torch.zeros(len(rows), len(known.classes))
        votes.scatter_add_(1, known.labels[which], (near / _TEMPERATURE).exp())
        right += int((votes.argmax(1) == asked.labels[rows]).sum())
    return right / len(asked)
