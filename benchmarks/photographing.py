"""A camera in physical units against the slowest of its parts, ours and others': 64 x 64 colour images a second."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.imagecorruptions import Imagecorruptions
from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb.camera import Camera, Defocus, Iso, RowNoise, Shutter

_COUNT, _ROUNDS = 256, 15
_THEIRS = ("shot_noise", "defocus_blur", "motion_blur")  # photons, focus, movement


def bench_photographing() -> Iterator[Result]:
    """The ratio of images a second of a whole camera to those of its slowest part, with few photons and with many; and
    to the slowest of three of its parts as imagecorruptions-imaug has them."""
    images = torch.rand(_COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with Imagecorruptions() as library:
        if library is None:
            raise OSError("imagecorruptions-imaug could not be installed: there is nothing to compare with.")
        theirs = [functools.partial(library.corrupt, name, _COUNT, size=64) for name in _THEIRS]
        for native_pixels in (1, 100):
            settings: dict[str, Any] = {
                "native_pixels": native_pixels,
                "iso": 6400,
                "f_number": 2.0,
                "shutter": "1/60",
                "distance": 1.8,
                "speed": 0.1,
                "lens": {"focal_length": 50, "focus": 2.0},
                "sensor": {"pitch": 6.0, "row_noise": 2.0},
            }
            row_noise = RowNoise(row_noise=2.0, **settings)
            kinds = [Camera(**settings), Iso(**settings), Defocus(**settings), Shutter(**settings), row_noise]
            ours = [functools.partial(kind, images, seed=0) for kind in kinds]
            times = in_turn([*ours, *theirs], rounds=_ROUNDS)
            names = [*(kind.name for kind in kinds), *_THEIRS]
            rates = [f"{name} {rate:,.0f}/s" for name, rate in zip(names, _COUNT / np.median(times, 0), strict=True)]
            subject = f"a camera, {native_pixels} native pixels, images a second"
            yield _against_slowest(times[:, : len(kinds)], subject, names[1:], rates[: len(kinds)])
            of_theirs = np.delete(times, range(1, len(kinds)), axis=1)
            yield _against_slowest(
                of_theirs, subject, [f"imagecorruptions' {name}" for name in _THEIRS], rates[len(kinds) :]
            )


def _against_slowest(times: np.ndarray, subject: str, parts: list[str], rates: list[str]) -> Result:
    """Of times whose first column is the camera's."""
    slowest = 1 + int(np.argmax(np.median(times[:, 1:], axis=0)))
    return at_least(subject, parts[slowest - 1], times[:, slowest] / times[:, 0], 1, note=", ".join(rates))
