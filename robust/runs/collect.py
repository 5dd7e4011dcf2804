"""The rows of many runs as one table."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from robust.files import write_whole
from robust.runs.state import STATUS, State, read_status

_log = logging.getLogger(__name__)

ROWS = "rows.csv"
_WORDS = ("run", "data", "model", "technique", "train_perturbation", "test_perturbation", "kind", "reference")
_NEEDED = ("run", "data", "model", "technique", "test_perturbation", "test_level", "trial", "n", "accuracy")
_MAY_LACK = {
    name: [""] for name in ("expected_calibration_error", "rms_calibration_error", "aurra")
}  # of what gives no logits


def find_runs(places: Iterable[str | Path]) -> list[Path]:
    """The finished runs' folders among `places`: each is such a folder, or one that holds some. Raises
    NotADirectoryError for what is neither, FileNotFoundError where there are none, ValueError where two of them hold
    the same run."""
    found: dict[Path, None] = {}
    for place in map(Path, places):
        if not place.is_dir():
            is_what = "a file" if place.exists() else "not there"
            raise NotADirectoryError(f"{place} must be a run's folder, or a folder that holds some; it is {is_what}.")
        runs = [place] if (place / STATUS).is_file() else sorted(path.parent for path in place.glob(f"*/{STATUS}"))
        if not runs:
            raise FileNotFoundError(
                f"There are no finished runs in {place}. Give runs' folders, or a folder that holds some."
            )
        measured = [run.resolve() for run in runs if (run / ROWS).is_file()]
        done = [run for run in measured if read_status(run).state is State.DONE]
        if len(done) < len(measured):
            _log.warning(
                "%d runs in %s are passed over: they failed or are under way", len(measured) - len(done), place
            )
        found.update(dict.fromkeys(done))
    if not found:
        raise FileNotFoundError(
            "None of these runs is done and measured: they failed, are under way, or have no rows.csv. Run them again, "
            "with an `evaluation`."
        )
    names: dict[str, Path] = {}
    for folder in found:
        if names.setdefault(folder.name, folder) != folder:
            raise ValueError(f"{names[folder.name]} and {folder} are the same run. Leave one of them out.")
    return list(found)


def collect(folders: Iterable[Path]) -> pd.DataFrame:
    """The rows of all these runs, in their order."""
    return pd.concat([read_rows(folder) for folder in folders], ignore_index=True)


def write_table(rows: pd.DataFrame, out: Path) -> list[Path]:
    """Writes rows as `out`.parquet and `out`.csv, for pandas, polars or DuckDB; returns the paths of both."""
    contents = {".parquet": rows.to_parquet(index=False), ".csv": rows.to_csv(index=False)}
    paths = [out.with_name(out.name + suffix) for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_whole(path, content)
    return paths


def read_rows(folder: Path) -> pd.DataFrame:
    """The rows of one run. Perturbation "none" is a word, not a missing value, and a hash of digits is no number."""
    try:
        words = dict.fromkeys(_WORDS, str)
        rows = pd.read_csv(folder / ROWS, keep_default_na=False, dtype=words, na_values=_MAY_LACK)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{folder / ROWS} is damaged ({error}). Delete it and run again.") from error
    if missing := [name for name in _NEEDED if name not in rows]:
        raise ValueError(f"{folder / ROWS} is damaged (no {', '.join(missing)}). Delete it and run again.")
    return rows.reindex(columns=rows.columns.union(list(_MAY_LACK), sort=False))
