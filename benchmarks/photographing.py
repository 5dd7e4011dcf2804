"""A camera in physical units against the slowest of its parts: 64 x 64 colour images a second."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb.camera import Camera, Defocus, Iso, RowNoise, Shutter

_COUNT, _ROUNDS = 256, 15


def bench_photographing() -> Iterator[Result]:
    """The ratio of images a second of a whole camera to those of its slowest part, with few photons and with many."""
    images = torch.rand(_COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0))
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
        times = in_turn([lambda one=one: one(images, seed=0) for one in kinds], rounds=_ROUNDS)  # type: ignore[misc]
        rates = _COUNT / np.median(times, axis=0)
        slowest = 1 + int(np.argmin(rates[1:]))
        note = ", ".join(f"{one.name} {rate:,.0f}/s" for one, rate in zip(kinds, rates, strict=True))
        note += "; each part's work is a part of the camera's"
        subject = f"a camera, {native_pixels} native pixels, images a second"
        yield at_least(subject, kinds[slowest].name, times[:, slowest] / times[:, 0], 1, note=note)
