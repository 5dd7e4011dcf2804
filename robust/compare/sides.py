"""One side of a comparison: rows, and the runs' folders where they are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from robust.errors import check
from robust.measure import CALIBRATION
from robust.runs import RunFolder, collect, find_runs, sums
from robust.runs.contents import with_calibration
from robust.runs.sound import sound_rows
from robust.runs.tables import COLUMNS

ROWS, PAGE = "rows.parquet", "index.html"
_MAY_LACK = (*CALIBRATION, "exposure")
_RULE = "a run's folder, a folder that holds some, a report's folder or page, or a table of rows (.parquet)"


@dataclass(frozen=True)
class Side:
    """What is compared: what it is called, its rows, and the folders of their runs, by the runs' names."""

    name: str
    rows: pd.DataFrame
    folders: Mapping[str, Path] = field(default_factory=dict)


def read_side(place: Path) -> Side:
    """The runs, or the table of rows, at a place: a run's folder, one that holds runs, a report's folder or its page,
    or a table as `robust collect` writes it. Raises ValueError or an OSError, which name the place, for anything
    else."""
    if place.is_dir() and (
        RunFolder(place).has_record() or any(RunFolder(one).has_record() for one in place.glob("*/"))
    ):
        folders = find_runs([place])
        return Side(str(place), collect(folders), {sums.name(one): one for one in folders})
    table = place / ROWS if place.is_dir() else place.with_name(ROWS) if place.name == PAGE else place
    if table.suffix != ".parquet" or not table.is_file():
        raise FileNotFoundError(f"{place} must be {_RULE}; {_what_it_is(place, table)}.")
    return Side(str(place), _read_table(table))


def _what_it_is(place: Path, table: Path) -> str:
    if not place.exists():
        return "it is not there"
    return "it is another file" if table == place else f"there is no {table.name} in it, nor finished runs"


def _read_table(path: Path) -> pd.DataFrame:
    """The rows in a table of many runs. Raises ValueError where they are not what tests come to."""
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's are such
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    lacking = [name for name in COLUMNS if name not in rows and name not in _MAY_LACK]
    check(str(path), f"none of {', '.join(lacking[:5])}", "a table of rows, with a column each", not lacking)
    check(str(path), "no rows", "a table of rows", len(rows) > 0)
    runs = pd.factorize(rows["run"])[0]
    return sound_rows(with_calibration(rows).set_axis(runs), [path] * (runs.max() + 1)).reset_index(drop=True)
