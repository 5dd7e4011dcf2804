"""Results in the terminal."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
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
_NAME = 24  # of a name or a word that stay in one line, at least
_GAP = 2  # between columns
_PRICE = ("seconds", "joules")  # columns that a narrow terminal does without
_FOLDS = re.compile(r"(?<=→) | (?=[\[(])")  # where figures go on in the next line
_APART = re.compile(r"(?<! of) (?!of |[→±])")  # where they may


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
    """A table as one reads it, none of it markup and nothing of it cut: in a narrow terminal without what it cost, then
    with figures in several lines, then a block for each line."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)  # a file has no edge to fold a table at
    console.print(Text(f"\n{plain(title)}", "italic"))
    columns = [[plain(cell) for cell in (name, *shown[name].head(_MOST))] for name in shown]
    cheap = [column for column in columns if column[0] not in _PRICE]
    for some, folded in ((columns, 0), (cheap, 0), (cheap, 1), (cheap, 2)):
        if widths := _widths(some, console.width, folded=folded):
            console.print(_table(some, widths))
            if len(some) < len(columns):
                console.print(f"{' and '.join(_PRICE)}: in a wider terminal, and on the page")
            break
    else:
        console.print(_blocks(columns))
    if len(shown) > _MOST:
        console.print(f"... and {len(shown) - _MOST} more on the page")
    if caption:
        console.print(Text(plain(caption), "dim italic"))


def _widths(columns: Sequence[Sequence[str]], room: int, *, folded: int) -> list[int]:
    """How wide columns are, each a head and cells, that together take so much room at most; none where that is too
    little. What is `folded`: 0, neither figures nor names; 1, figures; 2, both."""
    most = [max(map(cell_len, column)) for column in columns]
    widths = [
        max(map(cell_len, _whole(column, is_name=not place and folded < 2, folded=bool(folded))), default=1)
        for place, column in enumerate(columns)
    ]
    left = room - sum(widths) - _GAP * (len(columns) - 1)
    for place in sorted(range(len(columns)), key=lambda one: most[one] - widths[one]):
        more = max(0, min(most[place] - widths[place], left))
        widths[place], left = widths[place] + more, left - more
    return widths if left >= 0 else []


def _whole(column: Sequence[str], *, is_name: bool, folded: bool) -> list[str]:
    """The pieces of a column that stay in one line: words and a name, up to a length, and figures, unless `folded`."""
    head, *cells = column
    if is_name or not _are_figures(cells):
        pieces = cells if is_name else [word for cell in cells for word in cell.split()]
        return [one[:_NAME] for one in (*head.split(), *pieces)]
    return [*head.split(), *(piece for cell in cells for piece in (_APART.split(cell) if folded else [cell]))]


def _are_figures(cells: Sequence[str]) -> bool:
    return all(re.match(r"[-+≥≤\d]|$", cell) for cell in cells)


def _table(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    cells = []
    for (head, *column), width in zip(columns, widths, strict=True):
        figures = _are_figures(column)
        table.add_column(Text(head), justify="right" if figures else "left", overflow="fold", width=width)
        cells.append([_FOLDS.sub("\n", one) if figures and cell_len(one) > width else one for one in column])
    for line in zip(*cells, strict=True):
        table.add_row(*map(Text, line))
    return table


def _blocks(columns: Sequence[Sequence[str]]) -> Text:
    """Each line of a table as a block: its name, and below it what each column says of it."""
    heads, *lines = zip(*columns, strict=True)
    said = []
    for name, *cells in lines:
        said += [name, *(f"  {head}: {cell}" for head, cell in zip(heads[1:], cells, strict=True) if cell)]
    return Text("\n".join(said))
