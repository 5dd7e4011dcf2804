"""Rows of tests, in parts that can be kept."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd


def in_parts(rows: Iterable[tuple[Any, ...]], columns: Sequence[str], *, every_s: float) -> Iterator[pd.DataFrame]:
    """Tables of these columns with rows as they come, each of about `every_s` seconds."""
    part, begun = [], time.monotonic()
    for row in rows:
        part.append(row)
        if time.monotonic() - begun > every_s:
            yield pd.DataFrame(part, columns=[*columns])
            part, begun = [], time.monotonic()
    if part:
        yield pd.DataFrame(part, columns=[*columns])
