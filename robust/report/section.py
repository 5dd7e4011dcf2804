"""What a report is made of."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from robust.report.figures import Drawing


@dataclass(frozen=True)
class Table:
    """A table as one reads it, and the numbers behind it, accuracies as fractions or as the text says."""

    shown: pd.DataFrame
    numbers: pd.DataFrame
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report; figures and tables by the name of their files."""

    title: str
    text: str = ""
    drawings: dict[str, Drawing] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def reworded(self, reword: Callable[[str], str]) -> "Section":
        """The section with all that is shown put in other words; numbers keep theirs."""
        return replace(
            self,
            text=reword(self.text),
            drawings={reword(name): _reworded(one, reword) for name, one in self.drawings.items()},
            tables={
                name: replace(
                    one,
                    shown=one.shown.map(lambda cell: reword(cell) if isinstance(cell, str) else cell),
                    note=reword(one.note),
                )
                for name, one in self.tables.items()
            },
        )


def slug(title: str) -> str:
    """A title as the name of a file."""
    return re.sub("[^A-Za-z0-9.]+", "-", title).strip("-")


def numbers(found: Sequence[Section]) -> dict[str, str]:
    """The numbers of all tables and figures as CSV, by the file of the report that they are written to; each once: a
    figure of what a table says has no file of its own."""
    files = {
        "claims.csv" if name == "claims" else f"tables/{name}.csv": table.numbers
        for one in found
        for name, table in one.tables.items()
    }
    files |= {f"figures/{slug(name)}.csv": drawing.numbers for one in found for name, drawing in one.drawings.items()}
    texts: dict[str, str] = {}
    for file, table in files.items():
        texts.setdefault(table.to_csv(index=False), file)
    return {file: text for text, file in texts.items()}


def _reworded(drawing: Drawing, reword: Callable[[str], str]) -> Drawing:
    """The drawing, its figure changed in place."""
    for axes in drawing.figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(labels := axis.get_major_formatter(), FixedFormatter):
                labels.seq = [reword(label) for label in labels.seq]
    for text in drawing.figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(reword(text.get_text()))
    return replace(drawing, caption=reword(drawing.caption))
