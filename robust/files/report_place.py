"""The folder of a report: only its own files are overwritten or removed."""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from robust.files.places import check_inside
from robust.files.writing import atomic_write, remove_partial

_LIST = ".report.json"  # the files of the report that lies there
_OURS = re.compile(r"(figures|tables)/[^/\0]+|claims\.csv")
_PAGES = ("README.md", "index.html")


def check_place(out: Path) -> None:
    """Raises ValueError where a report cannot go to this folder: it holds a README.md or index.html and no list of a
    report's files, or a link where figures or tables would be written."""
    for name in ("figures", "tables"):
        check_inside(out / name / "any", out)
    for path in map(out.joinpath, _PAGES):
        if path.exists() and not (out / _LIST).is_file():
            raise ValueError(
                f"{path} was not written by robust (there is no {_LIST} beside it), and would be replaced. "
                "Name another folder."
            )


def write_files(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes the files of a report, and removes those of the report that lay there which this one does not have."""
    former = _read_list(out)
    for folder in (out, out / "figures", out / "tables"):
        remove_partial(folder)  # what killed writers left
    atomic_write(out / _LIST, json.dumps(sorted({*former, *files}), indent=0))
    for file, data in files.items():
        check_inside(out / file, out)
        atomic_write(out / file, data)
    for file in former - files.keys():
        if _OURS.fullmatch(file):
            with contextlib.suppress(OSError, ValueError):
                check_inside(out / file, out)
                (out / file).unlink()
    atomic_write(out / _LIST, json.dumps(sorted(files), indent=0))


def _read_list(out: Path) -> set[str]:
    try:
        return {str(file) for file in json.loads((out / _LIST).read_text())}
    except (OSError, ValueError, TypeError):
        return set()
