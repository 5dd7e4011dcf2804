"""Certificates: what drawing copies and counting classes adds to the network's own work."""

import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.pairs import Result, at_most, in_turn
from robust.certify import Ablation, Counts, Gaussian, Smoothing, measure_certificates
from robust.data import ImageSet
from robust.models import Ablated, ConvNet, FastNet, folded

_N0, _N, _BATCH, _BATCHES, _ROUNDS = 100, 900, 500, 12, 9
_GREY, _COLOUR = (1, 28, 28), (3, 32, 32)
#: what is drawn, the network, of which images, and how many of them
_WAYS: dict[str, tuple[Smoothing, Callable[[], torch.nn.Module], tuple[int, int, int], int]] = {
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


def _for_mnist(channels: int) -> torch.nn.Module:
    return ConvNet(image_shape=(channels, *_GREY[1:]), num_classes=10, units=[10], kernel_size=7, stride=3)


def bench_certifying() -> Iterator[Result]:
    """CPU time for certificates, as a share of that for as many forward passes of copies that are there already."""
    for name, (smoothing, make, shape, count) in _WAYS.items():
        pixels = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        images = ImageSet(pixels, torch.zeros(count, dtype=torch.int64), tuple("0123456789"))
        model = folded(make().eval())
        copies = smoothing(torch.rand(_BATCH * _BATCHES, *shape), seed=0).split(_BATCH)

        def certify(
            model: torch.nn.Module = model, images: ImageSet = images, smoothing: Smoothing = smoothing
        ) -> None:
            for _ in measure_certificates(model, images, smoothing, Counts(n0=_N0, n=_N), batch_size=_BATCH):
                pass

        passes = count * (_N0 + _N)

        def bare(
            model: torch.nn.Module = model, copies: tuple[torch.Tensor, ...] = copies, passes: int = passes
        ) -> None:
            with torch.inference_mode():
                for turn in range(passes // _BATCH):
                    model(copies[turn % _BATCHES])

        times = in_turn([certify, bare], rounds=_ROUNDS, clock=time.process_time)
        note = f"{times[:, 0].mean() / passes * 1e6:.1f} µs of CPU time a copy"
        yield at_most(f"certificates, {name}", "bare forward passes", times[:, 0] / times[:, 1], 1.1, note=note)
