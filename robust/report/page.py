"""The report as files: a page that needs no network, a README, and each figure and table by itself."""

import base64
import hashlib
import html
from collections.abc import Container, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from tqdm.auto import tqdm

from robust.files import atomic_write, remove_partial
from robust.report.choice import shared_changes, without
from robust.report.figures import Drawing, draw, usual_format
from robust.report.section import Section, Table, numbers, slug
from robust.report.sections import sections
from robust.runs import collect, read_status

#: what figures and tables are written as where that is asked for, and what it is called
FORMATS = {"svg": "SVG", "png": "PNG", "pdf": "PDF", "tex": "LaTeX", "md": "Markdown"}
_OF_TABLES = ("tex", "md")
_MOST_ROWS = 30  # of a table in the README
_CSS_INCH = 96  # pixels


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    found: Sequence[Section] | None = None,
    *,
    untested: Sequence[Path] = (),
    formats: Sequence[str] = (),
) -> Path:
    """Writes the report of these runs and returns the path of its page.

    `found` is what `sections` has to say of them, where that is known; it may speak of `untested` runs too. `out` is a
    folder; by default one beside the runs, named by what they are. In it: index.html; README.md; all rows
    (rows.parquet); figures/, each as SVG where it is lines and as PNG where it is pictures; tables/; claims.csv where
    the paper's claims can be decided. The numbers of figures and tables are CSV. `formats` are written beside these:
    svg, png, pdf of every figure, tex and md of every table; ValueError for others.
    """
    if unknown := sorted({*formats} - FORMATS.keys()):
        raise ValueError(f"`formats` must be among {', '.join(FORMATS)}; got {', '.join(unknown)}.")
    if out is None:
        names = "\n".join(sorted(folder.name for folder in folders))
        out = folders[0].parent / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    rows = collect(folders)
    shared = shared_changes(rows["model"])  # said once
    found = [one.reworded(without(shared)) for one in (sections(folders, rows) if found is None else found)]
    texts = numbers(found)
    described = _described(found, {text: file for file, text in texts.items()}, formats)
    content = {
        "data": ", ".join(rows["data"].unique()),
        "shared": shared,
        "models": rows["run"].nunique() + len(untested),
        "sections": described,
        **_circumstances([*folders, *untested]),
    }
    parts = [one for section in described for one in (*section["figures"], *section["tables"])]
    files = {
        **{file: data for part in parts for file, data in part["files"]},
        **texts,
        "rows.parquet": rows.to_parquet(index=False, compression="zstd"),
        "README.md": _fill("page.md", content),
        "index.html": _fill("page.html", content),
    }
    for file, data in files.items():
        atomic_write(out / file, data)
    _remove_others(out, files)
    return out / "index.html"


def _remove_others(out: Path, files: Container[str]) -> None:
    """Removes the figures and tables of a former report that this one does not have, and what killed writers left."""
    for folder in (out, out / "figures", out / "tables"):
        remove_partial(folder)
    suffixes = {"csv", *FORMATS}
    for file in [*out.glob("figures/*.*"), *out.glob("tables/*.*"), *out.glob("claims.csv")]:
        if file.suffix[1:] in suffixes and file.relative_to(out).as_posix() not in files:
            file.unlink()


def _described(found: Sequence[Section], places: dict[str, str], formats: Sequence[str]) -> list[dict[str, Any]]:
    """The sections as the templates take them; `places`: where the numbers are, by what they are."""
    drawings = sum(len(section.drawings) for section in found)
    with tqdm(total=drawings, desc="drawing", unit="figure", delay=1, leave=False, disable=None) as progress:
        described = []
        for section in found:
            figures = []
            for name, drawing in section.drawings.items():
                figures.append(_figure(slug(name), drawing, places, formats))
                progress.update()
            tables = [_table(name, table, places, formats) for name, table in section.tables.items()]
            described.append({"title": section.title, "text": section.text, "figures": figures, "tables": tables})
    return described


def _figure(name: str, drawing: Drawing, places: dict[str, str], formats: Sequence[str]) -> dict[str, Any]:
    """A figure as the templates take it, with its `files`."""
    figure = drawing.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for each format
    own = usual_format(figure)
    others = [one for one in formats if one not in (own, *_OF_TABLES)]
    files = {one: (f"figures/{name}.{one}", draw(figure, one)) for one in (own, *others)}
    return {
        "name": name,
        "caption": drawing.caption,
        "file": files[own][0],
        "image": _data_uri(own, files[own][1]),
        "width": round(_CSS_INCH * figure.get_figwidth()),
        "numbers": places.get(drawing.numbers.to_csv(index=False), f"figures/{name}.csv"),
        "links": [(FORMATS[one], files[one][0]) for one in others],
        "files": list(files.values()),
    }


def _table(name: str, table: Table, places: dict[str, str], formats: Sequence[str]) -> dict[str, Any]:
    """A table as the templates take it, with its `files`."""
    shown, write = table.shown, {"tex": _latex, "md": _markdown}
    files = {one: (f"tables/{name}.{one}", write[one](table.shown)) for one in formats if one in _OF_TABLES}
    return {
        "name": name,
        "note": table.note,
        "columns": list(shown),
        "words": [bool(pd.to_numeric(shown[column], errors="coerce").isna().all()) for column in shown],
        "rows": shown.to_numpy().tolist(),
        "markdown": _markdown(shown.head(_MOST_ROWS)).rstrip(),
        "more": max(0, len(shown) - _MOST_ROWS),
        "numbers": places[table.numbers.to_csv(index=False)],
        "links": [(FORMATS[one], file) for one, (file, _) in files.items()],
        "files": list(files.values()),
    }


def _latex(table: pd.DataFrame) -> str:
    styler = table.style.hide(axis="index").format(escape="latex")
    heads = [name.replace("%", r"\%").replace("_", r"\_") for name in table]
    return str(styler.relabel_index(heads, axis="columns").to_latex(hrules=True, environment="longtable"))


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; what it would read as its own is escaped."""
    lines = [[html.escape(str(cell), quote=False).replace("|", r"\|") for cell in row] for row in table.to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(table), ["---"] * len(table.columns), *lines])


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


def _data_uri(suffix: str, image: bytes) -> str:
    kind = "svg+xml" if suffix == "svg" else suffix
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
