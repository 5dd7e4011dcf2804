"""Which runs a command asks for."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Override

#: runs in a sweep
MOST = 100_000
Parse = Callable[[list[str]], list[Override]]


def list_jobs(products: Sequence[Mapping[str, Any]], arguments: Sequence[str], parse: Parse) -> list[list[str]]:
    """The overrides of every run of a sweep: its products, and with each the product of what the command line lists.

    Of a key that the sweep's products name, the command line's values select: products without it, and other values,
    fall away. Raises ValueError if nothing is left.
    """
    named = {key for one in products for key in one}
    selecting = [one for one in arguments if one.partition("=")[0] in named]
    further = expand(parse([one for one in arguments if one not in selecting]))
    own = [job for one in products for job in expand(parse([f"{key}={value}" for key, value in one.items()]))]
    for argument in selecting:
        wanted = {_as_value(value) for (value,) in expand(parse([argument]))}
        kept = [job for job in own if wanted & set(map(_as_value, job))]
        if not kept:
            key = argument.partition("=")[0]
            values = dict.fromkeys(one.partition("=")[2] for job in own for one in job if one.startswith(f"{key}="))
            raise ValueError(f"`{argument}` selects no run of this sweep; it has {key}={','.join(values)}.")
        own = kept
    return [[*job, *more] for job in own for more in further]


def _as_value(override: str) -> tuple[str, str | float]:
    key, _, value = override.partition("=")
    try:
        return key, float(value)
    except ValueError:
        return key, value


def expand(overrides: Iterable[Override]) -> list[list[str]]:
    """The product of all values that the command line lists, as lists of overrides with one value each. Raises
    ValueError for none, and for too many."""
    choices = [_values(override) for override in overrides]
    if (count := math.prod(map(len, choices))) > MOST:
        raise ValueError(f"A sweep must be of at most {MOST:,} runs; got {count:,}. Give several commands.")
    return [list(job) for job in itertools.product(*choices)]


def _values(override: Override) -> list[str]:
    """An override for each value that one lists."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"]
    if override.is_interval_sweep():
        raise ValueError(f"`{override.input_line}` must list values, as 1,2,3 and range(0,3) do; an interval has none.")
    values = [f"{key}={value}" for value in itertools.islice(override.sweep_string_iterator(), MOST + 1)]
    if not values:
        raise ValueError(f"`{override.input_line}` must list at least one value; got none.")
    return values
