"""A document says the same, whether it is a page or a PDF."""

import datetime
import html
import io
import re

import pandas as pd
import pytest

from robust.document import Document, pdf, texts
from robust.page import document_page as page
from robust.report import Section
from robust.report.section import Table

fpdf = pytest.importorskip("fpdf", reason="a PDF needs robust[pdf]")
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def table(rows: int, **columns: object) -> Table:
    shown = pd.DataFrame({"name": [f"row {place}" for place in range(rows)], "accuracy, %": "96.8", **columns})
    return Table(shown, shown, "A note: ≥ 0.5 → ±1.")


@pytest.fixture
def document() -> Document:
    long = "a long text of many words that does not fit beside the others " * 3
    sections = [
        Section("First", "One paragraph.\n\nAnother, with <b>markup</b> & more.", {}, {"few": table(3, because=long)}),
        Section("Second", "", {}, {"many": table(90, digest="0123456789abcdef" * 4)}),
        Section("Odd", "日本語 \x1b[31m and \u202ethe other way", {}, {}),
    ]
    return Document("A sheet", ["What it is."], sections, "The end.")


def pages_of(data: bytes) -> list[str]:
    pypdf = pytest.importorskip("pypdf")
    return [one.extract_text() for one in pypdf.PdfReader(io.BytesIO(data)).pages]


def packed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_all_that_a_document_says_stands_on_the_page_and_in_the_pdf(document: Document) -> None:
    shown = packed(html.unescape(page(document)))
    pages = pages_of(pdf(document, MADE))
    printed = "".join(packed(re.sub(r"A sheet, page \d+ of \d+", "", one)) for one in pages)
    assert len(pages) == 3
    left = printed
    for text in map(packed, texts(document)):
        assert text in shown
        seen = (
            text if text.isascii() else re.sub(r"[日本語]", lambda one: one[0].encode("unicode_escape").decode(), text)
        )
        assert seen in left
        left = left.replace(seen, "", 1)
    heads = packed("name accuracy, % digest")
    assert left.replace(heads, "") == "", "but for the head of a table that goes on"


def test_every_page_of_a_pdf_is_numbered_and_a_tables_head_stands_on_each(document: Document) -> None:
    pages = pages_of(pdf(document, MADE))
    assert [re.findall(r"page (\d) of 3", one) for one in pages] == [["1"], ["2"], ["3"]]
    assert all("digest" in one for one in pages[:2])


def test_a_pdf_is_the_same_to_the_byte_and_says_when_it_was_made(document: Document) -> None:
    first = pdf(document, MADE)
    assert first == pdf(document, MADE)
    assert b"20260102030405" in first
    assert first != pdf(document, MADE + datetime.timedelta(days=1))


def test_what_somebody_else_chose_is_text(document: Document) -> None:
    text = page(document)
    assert "<b>" not in text
    assert "\x1b" not in text
    assert "\\u202e" in text


def test_columns_of_numbers_stand_at_the_right_and_the_table_fits_the_paper() -> None:
    shown = pd.DataFrame({"text": ["a", ""], "number": ["1", ""], "word" * 30: ["x" * 200, "y"]})
    text = page(Document("A sheet", [], [Section("One", "", {}, {"one": Table(shown, shown)})]))
    assert re.findall(r"<th scope=\"col\"( class=word)?>(text|number)<", text) == [
        (" class=word", "text"),
        ("", "number"),
    ]
    (only,) = pages_of(pdf(Document("A sheet", [], [Section("One", "", {}, {"one": Table(shown, shown)})]), MADE))
    assert "x" * 200 in packed(only)
