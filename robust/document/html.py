"""A document as a page that needs no network."""

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment
from jinja2.runtime import Markup

from robust.document.text import Document, paragraphs
from robust.report import Drawing, draw
from robust.report.section import Section, Table
from robust.values.text import plain

_CSS_INCH = 96  # pixels


def page(document: Document, numbers: Mapping[str, str] | None = None) -> str:
    """The document as HTML; `numbers`: the files that hold the numbers of its tables, by the tables' names."""
    content = {
        "title": document.title,
        "lead": [line for text in document.lead for line in paragraphs(text)],
        "sections": [_described(section, numbers or {}) for section in document.sections],
        "foot": paragraphs(document.foot),
    }

    def shown(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    options: Any = {"trim_blocks": True, "lstrip_blocks": True, "finalize": shown}
    environment = Environment(autoescape=True, **options)
    return environment.from_string((files(__package__) / "page.html").read_text()).render(content)


def _described(section: Section, numbers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": section.title,
        "text": paragraphs(section.text),
        "figures": [_figure(drawing) for drawing in section.drawings.values()],
        "tables": [_table(table, numbers.get(name, "")) for name, table in section.tables.items()],
    }


def _figure(drawing: Drawing) -> dict[str, Any]:
    image = base64.b64encode(draw(drawing.figure, "svg")).decode()
    return {"image": image, "width": round(_CSS_INCH * drawing.figure.get_figwidth()), "caption": drawing.caption}


def _table(table: Table, file: str) -> dict[str, Any]:
    shown = table.shown
    return {
        "columns": list(shown),
        "words": words(shown),
        "rows": shown.astype(str).to_numpy().tolist(),
        "note": paragraphs(table.note),
        "file": file,
    }


def words(shown: pd.DataFrame) -> list[bool]:
    """Which columns of a table are words, and no numbers, but for empty cells: they begin at the left."""
    cells = {name: shown[name].astype(str).replace("", "0") for name in shown}
    return [bool(pd.to_numeric(cells[name], errors="coerce").isna().any()) for name in shown]
