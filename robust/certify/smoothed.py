"""The smoothed classifier as a network, and what attacks leave of it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.attack import pgd, worst_of
from robust.certify.counts import votes
from robust.certify.smoothing import Gaussian, Smoothing
from robust.data import ImageSet, to_float
from robust.models import Around, device_of, evaluating
from robust.perturb import ImageRandom, MixedPixels, key


class Smoothed(Around):
    """A smoothed classifier with a gradient: the logarithm of the mean probabilities that a `network` gives so many
    `copies` of each image, the same ones at each call, by the `seed`. Takes images in [0, 1], shape (batch, channels,
    height, width); returns shape (batch, classes)."""

    def __init__(self, *, network: nn.Module, smoothing: Smoothing, copies: int = 32, seed: int = 0):
        super().__init__(network)
        self.smoothing, self.copies, self.seed = smoothing, copies, seed

    def forward(self, images: Tensor) -> Tensor:
        random = ImageRandom(key("smoothed", self.seed), torch.arange(self.copies, device=images.device))
        drawn = self.smoothing.sample(random, (images.shape[1], images.shape[2], images.shape[3]))
        of_each = {name: value.repeat(len(images), 1, 1, 1) for name, value in drawn.items()}
        shown = self.smoothing.apply_transform(images.repeat_interleave(self.copies, 0), **of_each)
        outputs = self.network(shown).log_softmax(1).view(len(images), self.copies, -1)
        return outputs.logsumexp(1) - math.log(self.copies)


def attacked(
    model: nn.Module, images: ImageSet, smoothing: Smoothing, size: float, *, copies: range, seed: int = 0
) -> Tensor:
    """Whether each image is still given its class by most of these `copies`, unchanged and after each attack of this
    size on the smoothed classifier: boolean, shape (n,). Against Gaussian copies: projected gradient descent within so
    great a Euclidean distance. Against ablation, of so many pixels: the worst of random faults, and `worst_pixels`. An
    attack must mislead other copies than those that it was found with."""
    device = device_of(model)
    shown, labels, places = to_float(images.images).to(device), images.labels.to(device), images.places.to(device)
    with evaluating(model):
        smoothed = Smoothed(network=model, smoothing=smoothing, seed=seed).eval()
        given = (smoothed, shown, labels)
        if isinstance(smoothing, Gaussian):
            found = pgd(*given, eps=size, norm="l2", steps=20, numbers=places, seed=seed, batch_size=16)
            changed = [found.images[:, 0]]
        else:
            faults = MixedPixels(count=int(size))
            found = worst_of(*given, perturbation=faults, numbers=places, seed=seed, batch_size=16)
            changed = [found.images[:, 0], worst_pixels(*given, pixels=int(size))]
        stands = torch.ones(len(images), dtype=torch.bool)
        with torch.inference_mode():
            for some in (shown, *changed):
                counts = votes(model, some, places, smoothing, copies=copies, seed=seed)
                stands &= (counts.argmax(1) == labels).cpu()
    return stands


def worst_pixels(model: nn.Module, images: Tensor, classes: Tensor, *, pixels: int, batch_size: int = 16) -> Tensor:
    """Images in [0, 1], shape (n, channels, height, width), of which so many pixels show 0 or 1 in each channel: one
    after the other that of which the gradient of the loss promises most."""
    found = []
    for some, labels in zip(images.split(batch_size), classes.split(batch_size), strict=True):
        moved, free = some.clone(), torch.ones_like(some[:, :1], dtype=torch.bool)
        for _ in range(pixels):
            shown = moved.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(functional.cross_entropy(model(shown), labels, reduction="sum"), shown)
            worse = (gradient > 0).to(some)
            gain = (gradient * (worse - moved)).sum(1, keepdim=True).masked_fill(~free, -torch.inf)
            best = gain.flatten(1).argmax(1, keepdim=True)
            chosen = torch.zeros_like(free).flatten(1).scatter_(1, best, value=True).view_as(free)
            moved, free = torch.where(chosen, worse, moved), free & ~chosen
        found.append(moved)
    return torch.cat(found)
