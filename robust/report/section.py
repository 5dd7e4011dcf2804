"""What a report is made of."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from robust.files.places import file_name
from robust.report.figures import Drawing
from robust.values.text import csv


@dataclass(frozen=True)
class Table:
    """A table as one reads it, and the numbers behind it, accuracies as fractions or as the text says."""

    shown: pd.DataFrame
    numbers: pd.DataFrame
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report; figures and tables by the name of their files; `beside`: runs that it speaks of and whose
    rows are not the report's; `order`: whether figures or tables come first."""

    title: str
    text: str = ""
    drawings: dict[str, Drawing] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    beside: tuple[Path, ...] = ()
    order: tuple[str, str] = ("figures", "tables")


def figure_files(found: Sequence[Section]) -> dict[str, str]:
    """Where each figure goes, by its name; without a suffix."""
    return _files("figures", (name for one in found for name in one.drawings))


def table_files(found: Sequence[Section]) -> dict[str, str]:
    """Where each table goes, by its name; without a suffix."""
    return _files("tables", (name for one in found for name in one.tables))


def _files(folder: str, names: Iterable[str]) -> dict[str, str]:
    """A file of the folder for each of these names, no two alike."""
    files: dict[str, str] = {}
    for name in dict.fromkeys(names):
        stem = file_name(re.sub(r"[^\w.]+|_", "-", name).strip("-."))
        file = f"{folder}/{stem}"
        if file.casefold() in map(str.casefold, files.values()):
            file = f"{file}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
        files[name] = file
    return files


def numbers(found: Sequence[Section]) -> dict[str, str]:
    """The numbers of all tables and figures as CSV, by the file of the report that they are written to; each once: a
    figure of what a table says has no file of its own."""
    places, figures = {**table_files(found), "claims": "claims"}, figure_files(found)
    files = {f"{places[name]}.csv": table.numbers for one in found for name, table in one.tables.items()}
    files |= {f"{figures[name]}.csv": drawing.numbers for one in found for name, drawing in one.drawings.items()}
    texts: dict[str, str] = {}
    for file, table in files.items():
        texts.setdefault(csv(table), file)
    return {file: text for text, file in texts.items()}
