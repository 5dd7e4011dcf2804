"""Numbers of Python, NumPy or torch."""

import math
import numbers
from typing import Any

import numpy as np

_NARROW = {"float16": np.float16, "float32": np.float32}


def plain(value: Any) -> Any:
    """A number of Python, NumPy or torch as an int or a float, also one of an array of no dimension; anything else, a
    bool too, as it is.

    A number of few digits is the decimal number that it was written as: `np.float32(0.1)` is 0.1. -0.0 is 0.0.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        narrow = _NARROW.get(str(value.dtype).rpartition(".")[2])
        value = value.item() if narrow is None else float(str(narrow(value.item())))
    if isinstance(value, numbers.Integral):
        return value if isinstance(value, bool) else int(value)
    return float(value) + 0.0 if isinstance(value, numbers.Real) else value


def is_number(value: Any) -> bool:
    """Whether it is a number, and neither NaN nor infinite."""
    value = plain(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any, least: float = -math.inf) -> bool:
    """Whether it is a whole number, of a type of such, from `least`."""
    value = plain(value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
