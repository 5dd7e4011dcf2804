"""Studies: what packages add to the report of the runs that concern them.

A study is one paper's question. It is registered by an entry point of the group `robust.studies`, whose value is a
module with two functions, `sections` and `claims`; both are given the folders of finished runs and all their rows
together, or rows alone, and answer with nothing where none of these runs is theirs.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import pandas as pd

from robust.errors import notify, one_line
from robust.report.section import Section

#: of entry points
GROUP = "robust.studies"


class Study(Protocol):
    """What a study's module has."""

    @staticmethod
    def sections(folders: Sequence[Path], rows: pd.DataFrame) -> Sequence[Section]:
        """What there is to say of these runs, in the page's order."""

    @staticmethod
    def claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
        """A line for each published claim that these runs decide; columns as in `robust.report.claims`."""


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
