"""What a report is made of."""

from dataclasses import dataclass, field

import pandas as pd

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
