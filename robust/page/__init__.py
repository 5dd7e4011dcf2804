"""A report, or another document, as one page that can be mailed, a README, and files for other programs."""

from robust.page.brief import brief
from robust.page.page import document_page, write_report

__all__ = ["brief", "document_page", "write_report"]
