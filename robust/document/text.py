"""What a document says, whichever file it becomes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robust.report import Section
from robust.values.text import plain


@dataclass(frozen=True)
class Document:
    """A title, first paragraphs, sections, and what stands at the foot."""

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    foot: str = ""


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, which empty lines are between, each in one line."""
    return [plain(one.strip()) for one in text.split("\n\n") if one.strip()]


def texts(document: Document) -> Iterator[str]:
    """All that a document says, in its order, piece by piece: titles, paragraphs, cells of tables, notes."""
    yield plain(document.title)
    yield from (line for text in document.lead for line in paragraphs(text))
    for section in document.sections:
        yield plain(section.title)
        yield from paragraphs(section.text)
        for table in section.tables.values():
            yield from (plain(name) for name in table.shown)
            yield from (plain(cell) for row in table.shown.to_numpy() for cell in row)
            yield from paragraphs(table.note)
    yield from paragraphs(document.foot)
