"""Certificates: what drawing copies and counting classes adds to the network's own work."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.pairs import Result, at_least, at_most, in_turn
from robust.certify import Ablation, Counts, Gaussian, Smoothing, measure_certificates
from robust.data import ImageSet, to_float
from robust.models import Ablated, ConvNet, FastNet, folded

_N0, _N, _BATCH, _BATCHES, _ROUNDS = 100, 900, 500, 12, 9
_GREY, _COLOUR = (1, 28, 28), (3, 32, 32)
#: what is drawn, the network, of which images, and how many of them
_WAYS: dict[str, tuple[Smoothing, Callable[[], nn.Module], tuple[int, int, int], int]] = {
    "Gaussian copies, MNIST's network": (Gaussian(std=0.25), lambda: _for_mnist(1), _GREY, 500),
    "ablation, MNIST's network": (
        Ablation(keep=45),
        lambda: Ablated(network=_for_mnist(2), image_shape=_GREY, num_classes=10),
        _GREY,
        500,
    ),
    "Gaussian copies, model=fast": (
        Gaussian(std=0.25),
        lambda: FastNet(image_shape=_COLOUR, num_classes=10, widths=[16, 32, 32]),
        _COLOUR,
        8,
    ),
}


def _for_mnist(channels: int) -> nn.Module:
    return ConvNet(image_shape=(channels, *_GREY[1:]), num_classes=10, units=[10], kernel_size=7, stride=3)


def bench_certifying() -> Iterator[Result]:
    """CPU time for certificates, as a share of that for as many forward passes of the network, as it was trained, of
    copies that are there already; and of the loop that was published, which draws copies with PyTorch. Certificates
    fold batch norms into convolutions, as every test here does: the note has what they add to their own passes."""
    for name, (smoothing, make, shape, count) in _WAYS.items():
        pixels = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        images = ImageSet(pixels, torch.zeros(count, dtype=torch.int64), tuple("0123456789"))
        model = make().eval()
        copies = smoothing(torch.rand(_BATCH * _BATCHES, *shape), seed=0).split(_BATCH)
        certify = functools.partial(_certify, folded(model), images, smoothing)
        calls = [certify, *(functools.partial(_pass, one, copies, count) for one in (model, folded(model)))]
        if isinstance(smoothing, Gaussian):
            calls.append(functools.partial(_as_published, model, to_float(pixels), smoothing.std))
        times = in_turn(calls, rounds=_ROUNDS, clock=time.process_time)
        ours, bare, own = times[:, 0], times[:, 1], times[:, 2]
        note = f"{ours.mean() / (count * (_N0 + _N)) * 1e6:.1f} µs of CPU time a copy; {np.median(ours / own):.2f} x "
        subject = f"certificates, {name}"
        yield at_most(subject, "bare forward passes", ours / bare, 1.1, note=f"{note}its own passes, with folded norms")
        if len(calls) > 3:
            yield at_least(subject, "the loop as published", times[:, 3] / ours, 1)


def _certify(model: nn.Module, images: ImageSet, smoothing: Smoothing) -> None:
    for _ in measure_certificates(model, images, smoothing, Counts(n0=_N0, n=_N)):
        pass


def _pass(model: nn.Module, copies: Sequence[Tensor], count: int) -> None:
    with torch.inference_mode():
        for turn in range(count * (_N0 + _N) // _BATCH):
            model(copies[turn % len(copies)])


def _as_published(model: nn.Module, images: Tensor, std: float) -> None:
    """Cohen, Rosenfeld and Kolter 2019 (arXiv 1902.02918): first n0 copies of an image, then n."""
    with torch.inference_mode():
        for image in images:
            for left in (_N0, _N):
                counts = torch.zeros(10, dtype=torch.int64)
                while left:
                    some = min(left, _BATCH)
                    repeated = image.repeat(some, 1, 1, 1)
                    shown = repeated + torch.randn_like(repeated) * std
                    counts += torch.bincount(model(shown).argmax(1), minlength=10)
                    left -= some
