"""How strong the common corruptions are: the published constants, and what lies between them.

Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261) and the code that made ImageNet-C, Tiny-ImageNet-C and
CIFAR-10-C. Each corruption has constants for five severities and three sizes of pictures, in pixels of the shorter
side.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from robust.perturb.base import check_level

SEVERITIES = 5
#: sides of the pictures that there are published constants for
SIZES = (32, 64, 224)
Constants = tuple[float, ...]
_Table = tuple[Constants, ...]


def _each(*values: float) -> _Table:
    """One constant for each severity."""
    return tuple((value,) for value in values)


def _of_224(*values: Constants) -> _Table:
    """Of shares of 244 pixels, which is what pictures of 224 pixels were given, those of 224."""
    return tuple(tuple(one * 244 / 224 for one in each) for each in values)


_ZOOM_SMALL = ((1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01))
#: by corruption and size, for each severity
TABLES: dict[str, dict[int, _Table]] = {
    "gaussian_noise": {  # standard deviation
        32: _each(0.04, 0.06, 0.08, 0.09, 0.10),
        64: _each(0.04, 0.08, 0.12, 0.15, 0.18),
        224: _each(0.08, 0.12, 0.18, 0.26, 0.38),
    },
    "shot_noise": {  # photons at white
        32: _each(500, 250, 100, 75, 50),
        64: _each(250, 100, 50, 30, 15),
        224: _each(60, 25, 12, 5, 3),
    },
    "impulse_noise": {  # share of the values
        32: _each(0.01, 0.02, 0.03, 0.05, 0.07),
        64: _each(0.01, 0.02, 0.05, 0.08, 0.14),
        224: _each(0.03, 0.06, 0.09, 0.17, 0.27),
    },
    "speckle_noise": {  # standard deviation, of white
        32: _each(0.06, 0.1, 0.12, 0.16, 0.2),
        64: _each(0.15, 0.2, 0.25, 0.3, 0.35),
        224: _each(0.15, 0.2, 0.35, 0.45, 0.6),
    },
    "gaussian_blur": {  # standard deviation, pixels
        32: _each(0.4, 0.6, 0.7, 0.8, 1),
        64: _each(0.5, 0.75, 1, 1.25, 1.5),
        224: _each(1, 2, 3, 4, 6),
    },
    "defocus_blur": {  # radius of the disk, and standard deviation of what smooths it, pixels
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    },
    "glass_blur": {  # standard deviation, and how far pixels move, in pixels, and how often
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    },
    "motion_blur": {  # radius and standard deviation, pixels
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    },
    "zoom_blur": {  # the greatest factor, and the step to it from 1
        32: _ZOOM_SMALL,
        64: _ZOOM_SMALL,
        224: ((1.11, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
    },
    "snow": {  # mean, deviation and size of flakes, the least that shows; radius and deviation of their fall; mix
        32: (
            *((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9)),
            *((0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
        ),
        64: (
            *((0.1, 0.2, 1, 0.6, 8, 3, 0.8), (0.1, 0.2, 1, 0.5, 10, 4, 0.8), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7)),
            *((0.25, 0.3, 2.25, 0.6, 12, 6, 0.65), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6)),
        ),
        224: (
            *((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7)),
            *((0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)),
        ),
    },
    "frost": {  # weight of the picture and of the frost, and size of its photographs
        32: ((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
        64: ((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
        224: ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    },
    "fog": {  # how thick it is, and by what its features shrink
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    },
    "brightness": {  # added
        32: _each(0.05, 0.1, 0.15, 0.2, 0.3),
        64: _each(0.1, 0.2, 0.3, 0.4, 0.5),
        224: _each(0.1, 0.2, 0.3, 0.4, 0.5),
    },
    "contrast": {  # factor
        32: _each(0.75, 0.5, 0.4, 0.3, 0.15),
        64: _each(0.4, 0.3, 0.2, 0.1, 0.05),
        224: _each(0.4, 0.3, 0.2, 0.1, 0.05),
    },
    "saturate": {  # factor, and what is added
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    },
    "spatter": {  # mean, deviation and blur of the liquid, the least that shows; how strong; 1 for mud, 0 for water
        32: (
            *((0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0)),
            *((0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
        ),
        64: (
            *((0.62, 0.1, 0.7, 0.7, 0.6, 0), (0.65, 0.1, 0.8, 0.7, 0.6, 0), (0.65, 0.3, 1, 0.69, 0.6, 0)),
            *((0.65, 0.1, 0.7, 0.68, 0.6, 1), (0.65, 0.1, 0.5, 0.67, 0.6, 1)),
        ),
        224: (
            *((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0)),
            *((0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1)),
        ),
    },
    "elastic_transform": {  # how far pixels move, over which distance alike, and corners; shares of a side
        32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        64: ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
        224: _of_224((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    },
    "pixelate": {  # share of a side's pixels that are left
        32: _each(0.95, 0.9, 0.85, 0.75, 0.65),
        64: _each(0.9, 0.8, 0.7, 0.6, 0.5),
        224: _each(0.6, 0.5, 0.4, 0.3, 0.25),
    },
    "jpeg_compression": {  # quality
        32: _each(80, 65, 58, 50, 40),
        64: _each(65, 58, 50, 40, 25),
        224: _each(25, 18, 15, 10, 7),
    },
}


def check_severity(value: Any) -> float:
    """A severity as a number: from 1 to 5, also between them, or 0, which changes nothing. Raises ValueError for
    others."""
    unit = "a severity: from 1 to 5, or 0, which changes nothing"
    severity = check_level("severity", value, unit, most=SEVERITIES)
    if 0 < severity < 1:
        raise ValueError(f"`severity` must be 0 or from 1 to {SEVERITIES}; got {severity:g}. It is {unit}.")
    return severity


def constants(name: str, severity: float, size: int) -> Constants:
    """The constants of a corruption at a severity, from 1 to 5, for pictures whose shorter side has `size` pixels.

    Published are those of whole severities for 32, 64 and 224 pixels. Between two severities each constant is
    interpolated linearly. Between two sizes likewise, over the logarithm of the size; smaller pictures than 32 have the
    constants of 32, larger ones than 224 those of 224.
    """
    return between_sizes({side: _between(table, severity) for side, table in TABLES[name].items()}, size)


def between_sizes(known: Mapping[int, Constants], size: int) -> Constants:
    """The constants for pictures of a size, of those that are known for some, the smallest first: interpolated over the
    logarithm of the size; for smaller or larger ones than these, those of the nearest."""
    sizes = [*known]
    above = min(bisect.bisect_left(sizes, size), len(sizes) - 1)
    if size == sizes[above] or above == 0 or size > sizes[-1]:
        return known[sizes[above]]
    low, high = sizes[above - 1], sizes[above]
    return _mixed(known[low], known[high], math.log(size / low) / math.log(high / low))


def _between(table: Sequence[Constants], severity: float) -> Constants:
    before = min(int(severity), SEVERITIES - 1)
    return _mixed(table[before - 1], table[before], severity - before)


def _mixed(low: Constants, high: Constants, share: float) -> Constants:
    """Published numbers as they are where the share is 0 or 1."""
    if share in (0, 1):
        return high if share else low
    return tuple(a + (b - a) * share for a, b in zip(low, high, strict=True))
