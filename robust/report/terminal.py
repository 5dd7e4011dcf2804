"""Results in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.measure import only_exposed
from robust.report.published import published_table
from robust.report.scores import score_table, shown_scores
from robust.report.stability import stability_table
from robust.report.tables import calibration_columns, summary_table
from robust.runs.stability import stability_lines
from robust.runs.titles import plain_titles
from robust.values.text import plain

_MOST = 40  # lines in a terminal
_MOST_FOLDERS = 12  # that are named; the page names all
_WIDE = 160  # characters of a line in a file
_LONGEST = 60  # characters of a name
_NUMBER, _NAME = 16, 24  # of a number that stays in one line, and of a name's, at least


def print_results(rows: pd.DataFrame, folders: Sequence[Path] = (), *, exposure: str = "") -> None:
    """The scores of every kind of run. Titles name the settings in which kinds differ, from the configurations in
    `folders`; of such the folders are named below. Then what came of published test sets, and of sequences. With an
    `exposure` all that is of the tests of that, and none of these."""
    rows = only_exposed(rows, exposure)
    summary = summary_table(rows, folders)
    scores = score_table(summary, rows, folders, exposure=exposure)
    shown = shown_scores(scores, intervals=False).rename(columns=lambda name: name.removesuffix(", %"))
    print_table(shown, "test accuracy, %", scores.note)
    runs = summary.drop_duplicates("run")
    told_apart = runs[runs["title"] != plain_titles(runs)].drop_duplicates("kind")
    for title, run in told_apart.head(_MOST_FOLDERS)[["title", "run"]].itertuples(index=False, name=None):
        Console().print(plain(f"{title}: {run}"), markup=False, highlight=False, soft_wrap=True)
    if not exposure and (published := published_table(folders)) is not None:
        narrow = published.shown.drop(columns=[*calibration_columns(published.numbers)])
        print_table(narrow, "published test sets", published.note)
    if not exposure and (lines := stability_lines(folders)) is not None:
        print_table((table := stability_table(lines)).shown, "stability under sequences of frames", table.note)


def print_table(shown: pd.DataFrame, title: str, caption: str = "") -> None:
    """A table as one reads it, none of it markup."""
    table = Table(
        title=Text(plain(title)),
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title_justify="left",
    )
    for place, name in enumerate(shown):
        cells = shown[name].astype(str)
        figures, longest = bool(cells.str.match(r"[-+\d]|$").all()), int(cells.str.len().max() or 0)
        how: dict[str, Any] = {"justify": "right" if figures else "left", "overflow": "fold"}
        how |= {"no_wrap": figures and longest <= _NUMBER, "min_width": min(longest, _NAME) if not place else None}
        table.add_column(Text(plain(name)), **how)
    for line in shown.head(_MOST).astype(str).to_numpy():
        texts = [plain(cell) for cell in line]
        table.add_row(*(Text(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…") for text in texts))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)  # a file has no edge to cut a table at
    console.print(table, crop=False)
    if len(shown) > _MOST:
        console.print(f"... and {len(shown) - _MOST} more on the page")
    if caption:  # as wide as the terminal, however narrow the table is
        console.print(Text(plain(caption), "dim italic"))
