"""The report as files: a page that needs no network, a README, and each figure and table by itself."""

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from tqdm.auto import tqdm

from robust.files import atomic_write
from robust.report.choice import shared_changes, without
from robust.report.figures import Drawing, draw
from robust.report.section import Section, Table
from robust.report.sections import sections
from robust.runs import collect, read_status

_FORMATS = ("svg", "png", "pdf")
_SUFFIXES = (".svg", ".png", ".pdf", ".csv", ".tex", ".md")
_MOST_ROWS = 30  # of a table in the README


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    found: Sequence[Section] | None = None,
    *,
    untested: Sequence[Path] = (),
) -> Path:
    """Writes the report of these runs and returns the path of its page.

    `found` is what `sections` has to say of them, where that is known; it may speak of `untested` runs too. `out` is a
    folder; by default one beside the runs, named by what they are. In it: index.html; README.md; all rows
    (rows.parquet); figures/, each as SVG, PNG and PDF with its numbers as CSV; tables/, each as CSV, LaTeX and
    Markdown; claims.csv where the paper's claims can be decided.
    """
    if out is None:
        names = "\n".join(sorted(folder.name for folder in folders))
        out = folders[0].parent / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    rows = collect(folders)
    shared = shared_changes(rows["model"])  # said once
    found = [one.reworded(without(shared)) for one in (sections(folders, rows) if found is None else found)]
    drawings = {_slug(name): one for section in found for name, one in section.drawings.items()}
    pictures = {}
    for name, drawing in tqdm(drawings.items(), desc="drawing", unit="figure", delay=1, leave=False, disable=None):
        pictures[name] = _write_drawing(out / "figures" / name, drawing)
    for name, table in ((name, table) for section in found for name, table in section.tables.items()):
        _write_table(out, name, table)
    _remove_others(out, [*drawings, *(name for section in found for name in section.tables)])
    content = {
        "data": ", ".join(rows["data"].unique()),
        "shared": shared,
        "models": rows["run"].nunique() + len(untested),
        "sections": [_describe(section, pictures) for section in found],
        **_circumstances([*folders, *untested]),
    }
    atomic_write(out / "rows.parquet", rows.to_parquet(index=False, compression="zstd"))
    atomic_write(out / "README.md", _fill("page.md", content))
    page = out / "index.html"
    atomic_write(page, _fill("page.html", content))
    return page


def _write_drawing(path: Path, drawing: Drawing) -> bytes:
    """Writes a figure in every format, and its numbers; returns it as SVG."""
    drawing.figure.draw_without_rendering()
    drawing.figure.set_layout_engine("none")  # laid out once, not for each format
    pictures = {suffix: draw(drawing.figure, suffix) for suffix in _FORMATS}
    for suffix, picture in pictures.items():
        atomic_write(path.with_name(f"{path.name}.{suffix}"), picture)
    atomic_write(path.with_name(f"{path.name}.csv"), drawing.numbers.to_csv(index=False))
    return pictures["svg"]


def _write_table(out: Path, name: str, table: Table) -> None:
    place = out if name == "claims" else out / "tables"  # where the project promises it
    atomic_write(place / f"{name}.csv", table.numbers.to_csv(index=False))
    styler = table.shown.style.hide(axis="index").format(escape="latex")
    heads = {name: name.replace("%", r"\%").replace("_", r"\_") for name in table.shown}
    styler = styler.relabel_index(list(heads.values()), axis="columns")
    atomic_write(out / "tables" / f"{name}.tex", styler.to_latex(hrules=True, environment="longtable"))
    atomic_write(out / "tables" / f"{name}.md", _markdown(table.shown) + "\n")


def _remove_others(out: Path, names: Sequence[str]) -> None:
    """Removes the figures and tables of a former report that this one does not have."""
    for file in [*out.glob("figures/*.*"), *out.glob("tables/*.*"), *out.glob("claims.csv")]:
        if file.suffix in _SUFFIXES and file.stem not in names:
            file.unlink()


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; what it would read as its own is escaped."""
    lines = [[html.escape(str(cell), quote=False).replace("|", r"\|") for cell in row] for row in table.to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(table), ["---"] * len(table.columns), *lines])


def _describe(section: Section, pictures: dict[str, bytes]) -> dict[str, Any]:
    """A section as the templates take it."""
    return {
        "title": section.title,
        "text": section.text,
        "figures": [
            {"name": _slug(name), "caption": one.caption, "image": _data_uri(pictures[_slug(name)])}
            for name, one in section.drawings.items()
        ],
        "tables": [
            {
                "name": name,
                "file": f"{name}.csv" if name == "claims" else f"tables/{name}.csv",
                "note": one.note,
                "columns": list(one.shown),
                "words": [bool(pd.to_numeric(one.shown[name], errors="coerce").isna().all()) for name in one.shown],
                "rows": one.shown.to_numpy().tolist(),
                "markdown": _markdown(one.shown.head(_MOST_ROWS)),
                "more": max(0, len(one.shown) - _MOST_ROWS),
            }
            for name, one in section.tables.items()
        ],
    }


def _circumstances(folders: Sequence[Path]) -> dict[str, Any]:
    """How these runs came about: commands, commits, versions, cores and the time that they took together."""
    records = [record for folder in folders if (record := read_status(folder).record)]
    sessions = [session for record in records for session in record["sessions"]]
    return {
        "commands": sorted({one["command"] for one in sessions}),
        "commits": sorted({one["git_commit"] or "unknown" for one in sessions}),
        "cores": sorted({one["cores"] for one in sessions}),
        "versions": records[0]["versions"] if records else {},
        "seconds": sum(sum(record["durations_s"].values()) for record in records),
    }


def _fill(template: str, content: dict[str, Any]) -> str:
    environment = Environment(autoescape=template.endswith(".html"), trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files(__package__) / template).read_text()).render(content)


def _slug(title: str) -> str:
    return re.sub("[^A-Za-z0-9.]+", "-", title).strip("-")


def _data_uri(image: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()
