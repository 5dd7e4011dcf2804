"""The runs that lie in a folder, and their rows as one table."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from robust.files import atomic_write
from robust.runs import contents, sums
from robust.runs.folder import RunFolder
from robust.runs.identity import VERSION
from robust.runs.price import SHOWN
from robust.runs.sound import sound_rows
from robust.runs.state import State, read_status
from robust.values.text import csv

_log = logging.getLogger(__name__)


def find_runs(places: Iterable[str | Path], *, measured: bool = True) -> list[Path]:
    """The finished runs' folders among `places`: each is such a folder, or one that holds some; with `measured` false,
    those of runs that were not tested (evaluation=none) too. Raises NotADirectoryError for what is neither,
    FileNotFoundError where there are none, ValueError where two of them hold the same run with other results; of two
    that hold the same results one is taken."""
    found: dict[Path, None] = {}
    for place in map(Path, places):
        if not place.is_dir():
            is_what = "a file" if place.exists() else "not there"
            raise NotADirectoryError(f"{place} must be a run's folder, or a folder that holds some; it is {is_what}.")
        folders = [place] if RunFolder(place).status.is_file() else sorted(place.glob("*/"))
        known = [folder for folder in folders if RunFolder(folder).has_record()]
        if not known:
            raise FileNotFoundError(
                f"There are no finished runs in {place}. Give runs' folders, or a folder that holds some."
            )
        wanted = [run.resolve() for run in known if not measured or RunFolder(run).has_rows()]
        done = [run for run in wanted if read_status(run).state is State.DONE]
        if len(done) < len(wanted):
            _log.warning("%d runs in %s are passed over: they failed or are under way", len(wanted) - len(done), place)
        found.update(dict.fromkeys(done))
    if not found:
        raise FileNotFoundError(
            "None of these runs is done and measured: they failed, are under way, or have no rows.csv. Run them again, "
            "with an `evaluation`."
            if measured
            else "None of these runs is done: they failed or are under way. Run them again."
        )
    runs: dict[str, Path] = {}
    for folder in found:
        name = sums.name(folder)
        runs[name] = _either(runs[name], folder) if name in runs else folder
    return list(runs.values())


def _either(one: Path, other: Path) -> Path:
    """Of two folders of the same run that in which all stands that was measured in the other, too. Raises ValueError
    where that is neither."""
    for more, less in ((one, other), (other, one)):
        if RunFolder(more).identity() == RunFolder(less).identity() and _covers(RunFolder(more), RunFolder(less)):
            return more
    raise ValueError(f"{one} and {other} are the same run, with other results. Leave one of them out.")


def _covers(more: RunFolder, less: RunFolder) -> bool:
    """Whether all that was measured in one folder of a run stands in another, alike."""
    for read in (
        RunFolder.read_rows,
        lambda run: run.read_attacks(images=False),
        lambda run: run.read_published(predictions=False),
        RunFolder.read_stability,
        RunFolder.read_knn,
    ):
        mine, others = (read(one) if one.has_rows() else None for one in (more, less))
        if others is not None and (mine is None or not _lines(others) <= _lines(mine)):
            return False
    return True


def _lines(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """The rows of a table, to be compared: by their columns' names, as text."""
    return set(table[sorted(table)].astype(str).itertuples(index=False, name=None))


def collect(folders: Iterable[Path]) -> pd.DataFrame:
    """The rows of all these runs, in their order. Raises ValueError with the path of rows that are not what tests come
    to, and where two folders hold the same run."""
    files = {RunFolder(folder).rows: folder for folder in folders}
    rows = sound_rows(contents.read_many_rows([*files]), [*files])
    names: dict[str, Path] = {}
    for folder, name in zip(files.values(), rows["run"].groupby(level=0).first(), strict=True):
        if (other := names.setdefault(name, folder)) != folder:
            raise ValueError(f"{other} and {folder} hold rows of the same run. Leave one of them out.")
    return rows.reset_index(drop=True)


def find_older(runs_dir: Path, names: Iterable[str]) -> dict[Path, int]:
    """The runs there that an older version of robust made, and that version: those called as some of these `names` of
    folders, but for the hash at the end. One listing of the folder; records are read of such alone."""
    names = set(names)
    words = {name.rpartition("-")[0] for name in names}
    found = {}
    for folder in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else ():
        if folder.name in names or folder.name.rpartition("-")[0] not in words:
            continue
        if record := RunFolder(folder).read_record():
            version = (record.get("identity") or {}).get("version", 1)
            if version < VERSION:
                found[folder] = version
    return found


def prices(folders: Iterable[Path]) -> pd.DataFrame:
    """What runs cost (see `Meter.price`), a row for each whose record says so: run, `price.seconds`, `price.joules` and
    so on, without the columns of parts."""
    known = {folder.name: _price(RunFolder(folder)) for folder in folders}
    lines = [{"run": run, **price} for run, price in known.items() if price]
    return pd.DataFrame(lines, columns=None if lines else ["run"]).set_index("run")


def _price(files: RunFolder) -> dict[str, Any]:
    record = files.read_record() if files.status.is_file() else None
    return {f"price.{name}": value for name, value in (record or {}).get("price", {}).items() if name in SHOWN}


def write_table(rows: pd.DataFrame, out: Path) -> list[Path]:
    """Writes rows as `out`.parquet and `out`.csv, for pandas, polars or DuckDB; returns the paths of both."""
    contents = {".parquet": rows.to_parquet(index=False), ".csv": csv(rows)}
    paths = [out.with_name(out.name + suffix) for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        atomic_write(path, content)
    return paths
