"""Sections as a document: a PDF, or a page that says the same (`robust.page`)."""

from robust.document.pdf import pdf
from robust.document.text import Document, texts

__all__ = ["Document", "pdf", "texts"]
