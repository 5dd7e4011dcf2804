"""The common corruptions against imagecorruptions-imaug: 64 x 64 colour images a second."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.imagecorruptions import Imagecorruptions
from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb.corruptions import CORRUPTIONS

_SIZE, _SEVERITY, _ROUNDS = 64, 3, 9
_OURS = 512  # images at once
_SECONDS = 0.3  # about how long a round of either takes
#: of theirs, those that ours must do ten times as fast
_SLOW = (
    *("zoom_blur", "frost", "motion_blur", "glass_blur", "shot_noise", "snow", "elastic_transform", "brightness"),
    "saturate",
)


def bench_corrupting() -> Iterator[Result]:
    """The ratio of our images a second to theirs, for each corruption that both have."""
    images = torch.rand(_OURS, 3, _SIZE, _SIZE, generator=torch.Generator().manual_seed(0))
    with Imagecorruptions() as theirs:
        if theirs is None:
            raise OSError("imagecorruptions-imaug could not be installed: there is nothing to compare with.")
        for name, kind in CORRUPTIONS.items():
            if name == "frost_drawn":  # they have none
                continue
            ours = kind(severity=_SEVERITY)
            calls = [functools.partial(ours, images, seed=0), functools.partial(theirs.corrupt, name, 8, size=_SIZE)]
            mine, their = in_turn(calls, rounds=2)[1]
            often, count = max(1, round(_SECONDS / mine)), max(2, round(_SECONDS / their * 8))
            times = in_turn(
                [
                    functools.partial(_often, calls[0], often),
                    functools.partial(theirs.corrupt, name, count, size=_SIZE),
                ],
                rounds=_ROUNDS,
            )
            rates = np.array([often * _OURS, count]) / times
            note = f"ours {np.median(rates[:, 0]):,.0f}/s, theirs {np.median(rates[:, 1]):,.0f}/s"
            yield at_least(
                f"{name} {_SEVERITY}, images a second",
                "imagecorruptions-imaug",
                rates[:, 0] / rates[:, 1],
                10 if name in _SLOW else 1,
                note=note,
            )


def _often(call: Callable[[], object], count: int) -> None:
    for _ in range(count):
        call()
