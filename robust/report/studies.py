"""Studies: what packages add to the report of the runs that concern them.

A study is one paper's question. It is registered by an entry point of the group `robust.studies`, whose value is a
module with a function `findings`; it is given the folders of finished runs and all their rows together, or rows alone.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd

from robust.errors import notify, one_line
from robust.measure.claims import decide
from robust.report.section import Section

#: of entry points
GROUP = "robust.studies"


class Findings(NamedTuple):
    """What a study says of some runs: sections, in the page's order, and a line for each published claim that these
    runs decide (see `robust.measure.claims.decide`)."""

    sections: Sequence[Section] = ()
    claims: pd.DataFrame = decide([], [])


class Study(Protocol):
    """What a study's module has."""

    @staticmethod
    def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
        """What there is to say of these runs; nothing where none of them is the study's."""


@functools.cache
def studies() -> tuple[Study, ...]:
    """The studies that are installed, by name. One that cannot be imported is left out, and that is said."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        try:
            found.append(entry.load())
        except Exception as error:  # noqa: BLE001, it may be somebody else's
            notify(f"The study {entry.name} ({entry.value}) is left out of the report: {one_line(error)}.")
    return tuple(found)


@contextlib.contextmanager
def if_possible(what: str) -> Iterator[None]:
    """Inside, `what` is measured anew for the report. Where images, weights or a package are missing for that, it is
    left out, and that is said."""
    try:
        yield
    except (OSError, ValueError) as error:
        notify(f"{what} is left out of the report: {one_line(error)}")
