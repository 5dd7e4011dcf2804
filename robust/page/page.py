"""The report as files: a page that can be mailed, a README, and each figure and table by itself."""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment
from jinja2.runtime import Markup

from robust.document import Document
from robust.document.text import paragraphs
from robust.files.places import check_inside
from robust.files.report_place import check_place, write_files
from robust.measure import only_exposed
from robust.page.brief import brief
from robust.page.links import row_names
from robust.page.touch import inlined, marks, name_series
from robust.progress import progressing
from robust.report.figures import Drawing, draw, usual_format
from robust.report.section import Section, Table, figure_files, numbers, table_files
from robust.report.sections import sections
from robust.runs import RunFolder, collect, read_status, warnings_of
from robust.runs.settings import setting
from robust.runs.titles import only_measured
from robust.values.text import csv, markdown, plain

#: what figures and tables are written as where that is asked for, and what it is called
FORMATS = {"svg": "SVG", "png": "PNG", "pdf": "PDF", "tex": "LaTeX", "md": "Markdown"}
_OF_TABLES = ("tex", "md")
_MOST_ROWS = 30  # of a table in the README
_MOST_ON_PAGE = 10_000  # of a table on the page
_CSS_INCH, _POINTS = 96, 72  # pixels, points
_MOST_BYTES = 1 << 20  # of all rows that the page carries


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    found: Sequence[Section] | None = None,
    *,
    formats: Sequence[str] = (),
    exposure: str = "",
) -> Path:
    """Writes the report of these runs and returns the path of its page.

    `found` is what `sections` has to say of them, where that is known. `out` is a folder; by default that of the one
    run, or one beside the runs, named by what they are. In it: index.html; README.md; all rows (rows.parquet);
    figures/, each as SVG where it is lines and as PNG where it is pictures; tables/; claims.csv where claims can be
    decided. The numbers of figures and tables are CSV. index.html holds all of these, and can be mailed alone.
    `formats` are written beside: svg, png, pdf of every figure, tex and md of every table. With an `exposure` all that
    is of the tests of that.
    Raises ValueError for other formats, for no runs, and for a folder with a README.md or index.html of somebody
    else's, or with a link where files would go, before anything else.
    """
    if unknown := sorted({*formats} - FORMATS.keys()):
        raise ValueError(f"`formats` must be among {', '.join(FORMATS)}; got {', '.join(unknown)}.")
    if not folders:
        raise ValueError("`folders` must be those of runs that were measured; got none.")
    if out is None:
        names = "\n".join(sorted(folder.name for folder in folders))
        of_some = f"-{exposure}" if exposure else ""
        shared = folders[0].parent / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}{of_some}"
        out = shared if len(folders) > 1 or exposure else RunFolder(folders[0]).report
        check_inside(out / "index.html", out.parent)
    check_place(out)
    rows = only_exposed(collect(folders), exposure)
    found = sections(folders, rows, exposure=exposure) if found is None else found
    beside = dict.fromkeys(folder for one in found for folder in one.beside)
    texts = numbers(found)
    described = _described(found, {text: file for file, text in texts.items()}, formats)
    parquet = rows.to_parquet(index=False, compression="zstd")
    content = {
        "data": ", ".join(dict.fromkeys(_data_names(rows, folders))),
        "networks": rows["model"].unique(),
        "models": rows["run"].nunique() + len(beside),
        "warnings": warnings_of([*folders, *beside]),
        "trained": not only_measured(rows).all(),
        "brief": brief(rows, folders),
        "sections": described,
        "all_rows": _data_url(parquet, "application/vnd.apache.parquet") if len(parquet) <= _MOST_BYTES else "",
        **_circumstances([*folders, *beside]),
        **_appearance(),
    }
    parts = [one for section in described for one in (*section["figures"], *section["tables"])]
    drawn = {file: data for part in parts for file, data in part["files"]}
    pages = {"README.md": _fill("page.md", content), "index.html": _fill("page.html", content)}
    write_files(out, {**drawn, **texts, "rows.parquet": parquet, **pages})
    return out / "index.html"


def document_page(document: Document) -> str:
    """A document as a page of the same make, which can be mailed alone."""
    content = {
        "title": document.title,
        "lead": [line for text in document.lead for line in paragraphs(text)],
        "sections": _described(document.sections, {}, ()),
        "foot": paragraphs(document.foot),
    }
    return _fill("page.html", {**content, **_appearance()})


def _appearance() -> dict[str, str]:
    """What the page looks like and does, and the sum by which a browser knows the one script that it may run."""
    style, script = ((files(__package__) / f"page.{suffix}").read_text() for suffix in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_sum": digest}


def _data_names(rows: pd.DataFrame, folders: Sequence[Path]) -> list[str]:
    """What the data of each run is called: of one's own images, by the folder or file that they lie in."""
    places = {folder.name: folder for folder in folders}
    kinds = rows.drop_duplicates(["kind", "data"])[["run", "data"]].to_numpy()
    lies = {run: Path(setting(places[run], "data.path")).name for run, _ in kinds if run in places}
    return [lies.get(run) or data for run, data in kinds]


def _described(found: Sequence[Section], places: dict[str, str], formats: Sequence[str]) -> list[dict[str, Any]]:
    """The sections as the templates take them; `places`: where the numbers are, by what they are."""
    of_figures, of_tables = figure_files(found), table_files(found)
    described = []
    for section in progressing(found, "drawing", "section", len(found)):
        figures = [_figure(of_figures[name], drawing, places, formats) for name, drawing in section.drawings.items()]
        tables = [_table(of_tables[name], table, places, formats) for name, table in section.tables.items()]
        parts = {"figures": figures, "tables": tables, "order": section.order}
        described.append({"title": section.title, "text": section.text, **parts})
    return described


def _figure(place: str, drawing: Drawing, places: dict[str, str], formats: Sequence[str]) -> dict[str, Any]:
    """A figure as the templates take it, with its `files`; `place` is theirs, without a suffix."""
    figure, name, text = drawing.figure, Path(place).name, csv(drawing.numbers)
    own = usual_format(figure)
    labels = name_series(figure)
    drawn = draw(figure, own)
    touched = marks(figure, labels)
    others = [one for one in formats if one not in (own, *_OF_TABLES)]
    files = {own: (f"{place}.{own}", drawn)} | {one: (f"{place}.{one}", draw(figure, one)) for one in others}
    return {
        "name": name,
        "caption": drawing.caption,
        "file": files[own][0],
        "lines": Markup(inlined(drawn.decode(), name).removesuffix("</svg>")) if own == "svg" else "",
        "image": "" if own == "svg" else _data_url(drawn, f"image/{own}"),
        "marks": touched,
        "width": round(_CSS_INCH * figure.get_figwidth()),
        "points": (_POINTS * figure.get_figwidth(), _POINTS * figure.get_figheight()),
        "numbers": places.get(text, f"{place}.csv"),
        "csv": _attached(text),
        "links": [(FORMATS[one], files[one][0]) for one in others],
        "files": list(files.values()),
    }


def _table(place: str, table: Table, places: dict[str, str], formats: Sequence[str]) -> dict[str, Any]:
    """A table as the templates take it, with its `files`; `place` is theirs, without a suffix."""
    shown, write, name = table.shown.head(_MOST_ON_PAGE), {"tex": _latex, "md": _markdown}, Path(place).name
    files = {one: (f"{place}.{one}", write[one](table.shown)) for one in formats if one in _OF_TABLES}
    text = csv(table.numbers)
    return {
        "name": name,
        "note": table.note,
        "beyond": len(table.shown) - len(shown),
        "columns": list(shown),
        "words": [_is_word(shown[column].astype(str)) for column in shown],
        "rows": [*zip(row_names(name, shown), shown.to_numpy().tolist(), strict=True)],
        "markdown": Markup(_markdown(shown.head(_MOST_ROWS)).rstrip()),
        "more": max(0, len(table.shown) - _MOST_ROWS),
        "numbers": places.get(text, ""),
        "csv": _attached(text),
        "links": [(FORMATS[one], file) for one, (file, _) in files.items()],
        "files": list(files.values()),
    }


def _is_word(cells: pd.Series) -> bool:
    """Whether most of the cells that hold something begin with no number: they begin at the left."""
    return not cells[cells != ""].str.match(r"[-+≥≤]?\s?\d").mean() >= 0.5


def _attached(text: str) -> str:
    """A text as a link that saves it, compressed."""
    return _data_url(gzip.compress(text.encode(errors="surrogatepass"), mtime=0), "application/gzip")


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _latex(table: pd.DataFrame) -> str:
    shown = table.map(lambda cell: plain(cell) if isinstance(cell, str) else cell).rename(columns=plain)
    styler = shown.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    return str(styler.to_latex(hrules=True, environment="longtable"))


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; what it would read as its own is escaped."""
    lines = [list(map(markdown, row)) for row in table.to_numpy()]
    return "\n".join(
        f"| {' | '.join(row)} |" for row in [list(map(markdown, table)), ["---"] * len(table.columns), *lines]
    )


def _circumstances(folders: Sequence[Path]) -> dict[str, Any]:
    """How these runs came about: commands, commits, versions, cores and the time that they took together."""
    records = [record for folder in folders if (record := read_status(folder).record)]
    sessions = [one for record in records for one in record.get("sessions") or [] if isinstance(one, dict)]
    durations = [value for record in records for value in (record.get("durations_s") or {}).values()]
    return {
        "commands": sorted({plain(one.get("command", "unknown")) for one in sessions}),
        "commits": sorted({str(one.get("git_commit") or "unknown") for one in sessions}),
        "cores": sorted({str(one.get("cores", "unknown")) for one in sessions}),
        "versions": records[0].get("versions") or {} if records else {},
        "seconds": sum(value for value in durations if isinstance(value, int | float)),
    }


def _fill(template: str, content: dict[str, Any]) -> str:
    """The template, filled in; of what it takes nothing is markup but what says so."""
    is_page = template.endswith(".html")
    safe = plain if is_page else markdown

    def shown(value: object) -> object:
        return safe(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    options: Any = {"trim_blocks": True, "lstrip_blocks": True, "finalize": shown}
    environment = Environment(autoescape=is_page, **options)  # noqa: S701, of Markdown `finalize` does it
    environment.filters |= {"url": lambda file: Markup(quote(file)), "code": lambda text: Markup(plain(text))}
    environment.filters["paragraphs"] = paragraphs
    return environment.from_string((files(__package__) / template).read_text()).render(content)
