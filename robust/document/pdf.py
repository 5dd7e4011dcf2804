"""A document as a PDF that says what its page says, to the byte the same for the same document."""

import datetime
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from robust.document.text import Document, paragraphs
from robust.errors import require
from robust.report.section import Table
from robust.values.text import plain

_FAMILY = "DejaVu"  # matplotlib brings it along
_FACES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
_BODY, _SMALL, _TITLE, _HEADING = 9, 7, 15, 11.5  # points
_LINE = 1.45  # of the height of letters
_GREY = (100, 100, 100)
_MARGIN = 16  # mm
_LEAST, _MOST, _PADDING = 8, 58, 3  # mm, of a column: its cells, a word in them, beside them


def pdf(document: Document, made: datetime.datetime) -> bytes:
    """The document as a PDF (A4) that says it was `made` at this time. Raises ValueError where fpdf2 is not
    installed."""
    require("fpdf", what="A PDF", extra="pdf")
    sheet = _sheet(document)
    sheet.set_creation_date(made)
    sheet.set_title(plain(document.title))
    sheet.set_lang("en")
    sheet.add_page()
    _write(sheet, document.title, _TITLE, "B")
    sheet.ln(1)
    for text in document.lead:
        _paragraphs(sheet, text)
    for section in document.sections:
        _section_title(sheet, section.title)
        _paragraphs(sheet, section.text)
        for table in section.tables.values():
            _write_table(sheet, table)
    sheet.ln(3)
    _paragraphs(sheet, document.foot, _SMALL)
    return bytes(sheet.output())


def _sheet(document: Document) -> Any:
    """An empty PDF with our fonts, margins and foot."""
    from fpdf import FPDF

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(_FAMILY, size=_SMALL)
            self.set_text_color(*_GREY)
            self.cell(0, 5, f"{plain(document.title)}, page {self.page_no()} of {{nb}}", align="C")
            self.set_text_color(0)

    sheet = Sheet(format="A4")
    sheet.set_margins(_MARGIN, _MARGIN)
    sheet.set_auto_page_break(True, margin=_MARGIN)
    for style, file in _FACES.items():
        sheet.add_font(_FAMILY, style, Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file)
    return sheet


def _shown(sheet: Any, text: object, style: str = "") -> str:
    """A text in one line; characters that the font lacks stand there as escapes."""
    known = sheet.fonts[f"{_FAMILY.lower()}{style}"].cmap
    return "".join(one if ord(one) in known else one.encode("unicode_escape").decode() for one in plain(text))


def _write(sheet: Any, text: str, size: float, style: str = "") -> None:
    sheet.set_font(_FAMILY, style, size)
    height = _LINE * sheet.font_size
    sheet.multi_cell(0, height, _shown(sheet, text, style), align="L", new_x="LMARGIN", new_y="NEXT")


def _paragraphs(sheet: Any, text: str, size: float = _BODY) -> None:
    for one in paragraphs(text):
        _write(sheet, one, size)
        sheet.ln(1.2)


def _section_title(sheet: Any, title: str) -> None:
    if sheet.will_page_break(30):  # no title at the foot of a page
        sheet.add_page()
    sheet.ln(4)
    _write(sheet, title, _HEADING, "B")
    sheet.ln(0.8)


def _write_table(sheet: Any, table: Table) -> None:
    shown = table.shown.astype(str)
    widths = _widths(sheet, shown)
    aligned = tuple("LEFT" if word else "RIGHT" for word in _words(shown))
    options = {"text_align": aligned, "borders_layout": "HORIZONTAL_LINES", "line_height": _LINE * sheet.font_size}
    sheet.set_draw_color(200)
    options |= {"col_widths": widths, "width": sum(widths), "padding": (0.5, 1), "v_align": "TOP", "align": "LEFT"}
    with sheet.table(**options) as drawn:
        drawn.row([_shown(sheet, name, "B") for name in shown])
        for line in shown.to_numpy():
            drawn.row([_shown(sheet, cell) for cell in line])
    sheet.ln(1)
    _paragraphs(sheet, table.note, _SMALL)
    sheet.ln(1)


def _widths(sheet: Any, shown: pd.DataFrame) -> tuple[float, ...]:
    """Of each column the width that its longest cell takes; where that is more than the page has, less for cells of
    several words."""
    sheet.set_font(_FAMILY, "B", _SMALL)
    heads = [max(map(sheet.get_string_width, str(name).split()), default=0) for name in shown]
    sheet.set_font(_FAMILY, "", _SMALL)
    whole, least = [], []
    for head, name in zip(heads, shown, strict=True):
        cells = [_shown(sheet, cell) for cell in shown[name]]
        word = max((sheet.get_string_width(one) for cell in cells for one in cell.split()), default=0)
        whole.append(max(head, *map(sheet.get_string_width, cells), _LEAST) + _PADDING)
        least.append(max(head, min(word, _MOST), _LEAST) + _PADDING)
    if sum(whole) <= sheet.epw:
        return tuple(whole)
    give = [much - little for much, little in zip(whole, least, strict=True)]
    share = max(0.0, sheet.epw - sum(least)) / (sum(give) or 1)
    widths = [little + share * more for little, more in zip(least, give, strict=True)]
    return tuple(width * min(1, sheet.epw / sum(widths)) for width in widths)


def _words(shown: pd.DataFrame) -> list[bool]:
    """Which columns of a table are words, and no numbers, but for empty cells: they begin at the left."""
    cells = {name: shown[name].astype(str).replace("", "0") for name in shown}
    return [bool(pd.to_numeric(cells[name], errors="coerce").isna().any()) for name in shown]
