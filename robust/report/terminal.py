"""Results in the terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.report.choice import shared_changes, without
from robust.report.scores import score_table
from robust.report.tables import percent, summary_table, varying
from robust.values.text import plain

_MOST = 40  # lines in a terminal
_WIDE = 160  # characters of a line in a file
_LONGEST = 60  # characters of a name


def print_results(rows: pd.DataFrame, folders: Iterable[Path] = ()) -> None:
    """The scores of every kind of run. Titles name the settings in which kinds differ from the configurations in
    `folders`."""
    scores = score_table(summary_table(rows, folders), rows)
    named = varying(scores.lines)
    seeds = ["seeds"] if (scores.lines["seeds"] > 1).any() else []
    shared = shared_changes(rows["model"])
    short = without(shared)
    title = "test accuracy, %" + (f" (every network: {', '.join(shared)})" if shared else "")
    won = bool(scores.lines["won"].notna().any())
    says = ["a → b: accuracy of the natural model → of this model. Worst condition: the natural model's."] * won
    table = _table(title, " ".join([*says, scores.note]))
    table.add_column("trained", overflow="fold")
    for name in (*named, *seeds, "natural", *scores.suites, "worst condition", "worst accuracy"):
        words = name in (*named, "worst condition")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words)
    for _, line in scores.lines.head(_MOST).iterrows():
        figures = [percent(line["natural"]), *(_from_to(line[f"{one}_before"], line[one]) for one in scores.suites)]
        there = _from_to(line["before"] if pd.notna(line["won"]) else float("nan"), line["after"])
        cells = [*(short(str(line[name])) for name in ("title", *named)), *(str(line[name]) for name in seeds)]
        _add(table, [*cells, *figures, line["hardest"], there])
    _print(table, len(scores.lines))


def print_table(shown: pd.DataFrame, title: str) -> None:
    """A table as one reads it."""
    table = _table(title)
    for name in shown:
        table.add_column(Text(plain(name)))
    for line in shown.head(_MOST).astype(str).to_numpy():
        _add(table, line)
    _print(table, len(shown))


def _table(title: str, caption: str = "") -> Table:
    return Table(
        title=Text(plain(title)),
        caption=Text(plain(caption)) if caption else None,
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )


def _add(table: Table, cells: Sequence[object]) -> None:
    """A line of names and figures, none of them markup."""
    texts = [plain(cell) for cell in cells]
    table.add_row(*(Text(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…") for text in texts))


def _print(table: Table, lines: int) -> None:
    """Prints what there is of so many lines."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)  # a file has no edge to cut a table at
    console.print(table, crop=False)
    if lines > _MOST:
        console.print(f"... and {lines - _MOST} more on the page")


def _from_to(before: float, after: float) -> str:
    """How accuracy rose or fell; where it is not known from where, to what."""
    return percent(after) if pd.isna(before) else f"{percent(before)} → {percent(after)}"
