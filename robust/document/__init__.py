"""Sections as a document of one file: a page (HTML), or a PDF that says the same."""

from robust.document.html import page
from robust.document.pdf import pdf
from robust.document.text import Document, texts

__all__ = ["Document", "page", "pdf", "texts"]
