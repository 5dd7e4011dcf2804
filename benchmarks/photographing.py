"""A camera in physical units against the slowest of its parts, ours and others': 64 x 64 colour images a second."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.imagecorruptions import Imagecorruptions
from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb import Perturbation
from robust.perturb.camera import Camera, Defocus, Iso, RowNoise, Shutter

_COUNT, _ROUNDS, _OFTEN = 256, 15, 4
_THEIRS = ("shot_noise", "defocus_blur", "motion_blur")  # photons, focus, movement


def bench_photographing() -> Iterator[Result]:
    """The ratio of images a second of a whole camera to those of its slowest part, with few photons and with many; and
    to the slowest of three of its parts as imagecorruptions-imaug has them."""
    images = torch.rand(_COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with Imagecorruptions() as library:
        if library is None:
            raise OSError("imagecorruptions-imaug could not be installed: there is nothing to compare with.")
        theirs = {
            f"imagecorruptions' {name}": functools.partial(library.corrupt, name, _COUNT, size=64) for name in _THEIRS
        }
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
            camera, *parts = [functools.partial(_often, kind, images) for kind in kinds]
            subject = f"a camera, {native_pixels} native pixels, images a second"
            yield _against_slowest(subject, camera, dict(zip([kind.name for kind in kinds[1:]], parts, strict=True)))
            yield _against_slowest(subject, camera, theirs, _OFTEN)


def _often(camera: Perturbation, images: torch.Tensor) -> None:
    for _ in range(_OFTEN):  # so that none begins after a long pause
        camera(images, seed=0)


def _against_slowest(
    subject: str, camera: Callable[[], object], parts: Mapping[str, Callable[[], object]], times_more: int = 1
) -> Result:
    """The camera against the slowest of these parts, where it takes so many `times_more` images at a call than they."""
    times = in_turn([camera, *parts.values()], rounds=_ROUNDS) / [times_more, *[1] * len(parts)]
    middles = np.median(times, axis=0)
    slowest = 1 + int(np.argmax(middles[1:]))
    count = _COUNT * _OFTEN // times_more
    note = ", ".join(f"{name} {count / one:,.0f}/s" for name, one in zip(["camera", *parts], middles, strict=True))
    return at_least(subject, [*parts][slowest - 1], times[:, slowest] / times[:, 0], 1, note=note)
