"""Certificates: what drawing copies and counting classes adds to the network's own work."""

from collections.abc import Iterator

import torch

from benchmarks.pairs import Result, at_most, in_turn
from robust.certify import Ablation, Gaussian, Smoothing, measure_certificates
from robust.data import ImageSet
from robust.models import Ablated, ConvNet, folded

_IMAGES, _N0, _N, _BATCH, _BATCHES, _ROUNDS = 500, 100, 1900, 500, 20, 9
_SHAPE = (1, 28, 28)


def bench_certifying() -> Iterator[Result]:
    """Seconds for certificates of images as MNIST's, by its network, as a share of those for as many forward passes of
    copies that are there already."""
    pixels = torch.randint(256, (_IMAGES, *_SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images = ImageSet(pixels, torch.zeros(_IMAGES, dtype=torch.int64), tuple("0123456789"))
    plain, twice = (
        ConvNet(image_shape=(channels, *_SHAPE[1:]), num_classes=10, units=[10], kernel_size=7, stride=3)
        for channels in (1, 2)
    )
    ablated = Ablated(network=twice, image_shape=_SHAPE, num_classes=10)
    ways: dict[str, tuple[Smoothing, torch.nn.Module]] = {
        "Gaussian copies": (Gaussian(std=0.25), plain),
        "ablation": (Ablation(keep=45), ablated),
    }
    for name, (smoothing, network) in ways.items():
        model = folded(network.eval())
        copies = smoothing(torch.rand(_BATCH * _BATCHES, *_SHAPE), seed=0).split(_BATCH)

        def certify(model: torch.nn.Module = model, smoothing: Smoothing = smoothing) -> None:
            for _ in measure_certificates(model, images, smoothing, n0=_N0, n=_N, batch_size=_BATCH):
                pass

        def bare(model: torch.nn.Module = model, copies: tuple[torch.Tensor, ...] = copies) -> None:
            with torch.inference_mode():
                for turn in range(_IMAGES * (_N0 + _N) // _BATCH):
                    model(copies[turn % _BATCHES])

        times = in_turn([certify, bare], rounds=_ROUNDS)
        note = f"{times[:, 0].mean() / _IMAGES / (_N0 + _N) * 1e6:.1f} µs a copy"
        yield at_most(f"certificates, {name}", "bare forward passes", times[:, 0] / times[:, 1], 1.1, note=note)
