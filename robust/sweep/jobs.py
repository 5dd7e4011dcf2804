"""Which runs a command asks for."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

#: runs in a sweep
MOST = 100_000
Parse = Callable[[list[str]], list[Override]]


@dataclass(frozen=True)
class Interval:
    """All values of a key from `low` to `high`: whole numbers if both are; if `log`, as many for each order of
    magnitude."""

    key: str
    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        interval = f"{self.key}=interval({self.low:g},{self.high:g})"
        return f"{interval}, logarithmic" if self.log else interval

    def override(self, value: float) -> str:
        """The override that gives the key such a value, to three digits: a name for people."""
        return f"{self.key}={value if isinstance(value, int) else f'{value:.3g}'}"


#: what one override of the command line asks for: the overrides with one value each that it lists, or an interval
Dimension = list[str] | Interval
#: a product of these
Space = list[Dimension]


def list_spaces(products: Sequence[Mapping[str, Any]], arguments: Sequence[str], parse: Parse) -> list[Space]:
    """What each of a sweep's products lists, and with each what the command line lists.

    Of a key that the sweep's products name, the command line's values select: products without it, and other values,
    fall away. Raises ValueError for a value that selects nothing.
    """
    named = {key for one in products for key in one}
    selecting = [one for one in arguments if one.partition("=")[0] in named]
    further = [_dimension(one) for one in parse([one for one in arguments if one not in selecting])]
    own = [[_dimension(one) for one in parse([f"{key}={value}" for key, value in one.items()])] for one in products]
    for argument in selecting:
        key, asked = argument.partition("=")[0], _listed(*map(_dimension, parse([argument])))
        known = [value for space in own for one in space if _key(one) == key for value in _listed(one)]
        missing = [value for value in asked if _as_value(value) not in {*map(_as_value, known)}]
        if missing:
            values = ",".join(dict.fromkeys(one.partition("=")[2] for one in known))
            raise ValueError(f"`{', '.join(missing)}` selects no run of this sweep; it has {key}={values}.")
        own = [left for space in own if (left := _select(space, key, {*map(_as_value, asked)}))]
    return [[*space, *further] for space in own]


def _select(space: Space, key: str, wanted: set[tuple[str, str | float]]) -> Space:
    """A product with the wanted values of a key alone; nothing where it has none of them."""
    found = {
        place: [value for value in _listed(one) if _as_value(value) in wanted]
        for place, one in enumerate(space)
        if _key(one) == key
    }
    return [found.get(place, one) for place, one in enumerate(space)] if any(found.values()) else []


def list_jobs(products: Sequence[Mapping[str, Any]], arguments: Sequence[str], parse: Parse) -> list[list[str]]:
    """The overrides of every run of a sweep (see `list_spaces`). Raises ValueError for none, and for too many."""
    return points([list(map(_listed, space)) for space in list_spaces(products, arguments, parse)])


def points(spaces: Sequence[Sequence[Sequence[str]]]) -> list[list[str]]:
    """The overrides of every run of these products. Raises ValueError for too many."""
    if (count := sum(math.prod(map(len, space)) for space in spaces)) > MOST:
        raise ValueError(f"A sweep must be of at most {MOST:,} runs; got {count:,}. Give several commands.")
    return [list(job) for space in spaces for job in itertools.product(*space)]


def _as_value(override: str) -> tuple[str, str | float]:
    key, _, value = override.partition("=")
    try:
        return key, float(value)
    except ValueError:
        return key, value


def _key(dimension: Dimension) -> str:
    return dimension.key if isinstance(dimension, Interval) else dimension[0].partition("=")[0]


def _listed(dimension: Dimension) -> list[str]:
    if isinstance(dimension, Interval):
        raise ValueError(
            f"`{dimension}` must list values, as 1,2,3 and range(0,3) do; an interval has none. A search takes "
            "one: sweep=search."
        )
    return dimension


def _dimension(override: Override) -> Dimension:
    """What one override asks for."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"]
    if override.is_interval_sweep():
        return _interval(key, override)
    values = [f"{key}={value}" for value in itertools.islice(override.sweep_string_iterator(), MOST + 1)]
    if not values:
        raise ValueError(f"`{override.input_line}` must list at least one value; got none.")
    return values


def _interval(key: str, override: Override) -> Interval:
    found = override.value()
    assert isinstance(found, IntervalSweep)
    low, high, log = found.start, found.end, "log" in found.tags
    assert low is not None
    assert high is not None
    if unknown := sorted(found.tags - {"log"}):
        raise ValueError(f"`{override.input_line}` must have no tag but log; got {', '.join(unknown)}.")
    if not low < high or (log and low <= 0):
        above = "from above 0 " if log else ""
        raise ValueError(f"`{override.input_line}` must be an interval {above}to a greater number.")
    return Interval(key, low, high, log)
