"""Perturbations of the environment against the libraries that have them: 64 x 64 colour images a second, each with a
strength of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import kornia.augmentation as kornia
import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2 as torchvision

from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb import (
    DrawnStrength,
    Erasing,
    ImageRandom,
    Perspective,
    PixelDropout,
    Rotation,
    Shear,
    Shift,
    Zoom,
    key,
)

_COUNT = 500
_ROUNDS = 9
_EITHER_WAY: Any = (-30.0, 30.0, -30.0, 30.0)  # a slant along x alone reads pixels in their order
_SIZES: dict[str, Any] = {"scale": (0.075, 0.3), "ratio": (0.5, 2.0)}


def _one_by_one(transform: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """torchvision's draw once for a whole batch: for draws of their own, one image after the other."""
    return lambda images: torch.stack([transform(image) for image in images])


def _plain_dropout(images: Tensor) -> Tensor:
    share = 0.05 + 0.1 * torch.rand(len(images), 1, 1, 1)
    return images * (torch.rand(len(images), 1, *images.shape[2:]) >= share)


def _rivals() -> Iterator[tuple[DrawnStrength, dict[str, Callable[[Tensor], Tensor]]]]:
    """Each perturbation, and the others."""
    bilinear: Any = {"interpolation": torchvision.InterpolationMode.BILINEAR}
    both: list[tuple[DrawnStrength, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = [
        (
            Shift(level=0.4),
            kornia.RandomAffine(0, translate=(0.4, 0.4), p=1.0),
            torchvision.RandomAffine(0, translate=(0.4, 0.4), **bilinear),
        ),
        (
            Zoom(level=1.0),
            kornia.RandomAffine(0, scale=(0.5, 2.0), p=1.0),
            torchvision.RandomAffine(0, scale=(0.5, 2.0), **bilinear),
        ),
        (
            Shear(level=30),
            kornia.RandomAffine(0, shear=_EITHER_WAY, p=1.0),
            torchvision.RandomAffine(0, shear=_EITHER_WAY, **bilinear),
        ),
        (Rotation(level=45), kornia.RandomRotation(45, p=1.0), torchvision.RandomRotation(45, **bilinear)),
        (Perspective(level=50), kornia.RandomPerspective(0.5, p=1.0), torchvision.RandomPerspective(0.5, p=1.0)),
        (Erasing(level=0.3), kornia.RandomErasing(**_SIZES, p=1.0), torchvision.RandomErasing(p=1.0, **_SIZES)),
    ]
    for perturbation, theirs, one in both:
        yield perturbation, {"kornia": theirs, "torchvision v2, one by one": _one_by_one(one)}
    yield PixelDropout(level=0.15), {"plain torch": _plain_dropout}


def bench_environment() -> Iterator[Result]:
    """The ratio of our images a second to the fastest other's, for each perturbation that others have."""
    images = torch.rand(_COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    random, indices = key("bench"), torch.arange(_COUNT)
    for perturbation, rivals in _rivals():
        # As the data module calls it: like theirs, without a look at whether the images are in [0, 1].
        calls = [lambda p=perturbation: p.perturb(images, ImageRandom(random, indices))]
        calls += [lambda other=other: other(images) for other in rivals.values()]
        times = in_turn(calls, rounds=_ROUNDS)
        rates = _COUNT / np.median(times, axis=0)
        fastest = 1 + int(np.argmax(rates[1:]))
        names = ["ours", *rivals]
        note = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in zip(names, rates, strict=True))
        ratios = times[:, fastest] / times[:, 0]
        subject = f"{perturbation.name} {perturbation.level:g}, images a second"
        yield at_least(subject, names[fastest], ratios, 0.9, note=note)
