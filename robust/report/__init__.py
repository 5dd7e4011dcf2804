"""Rows in, tables, figures and a page out."""

from robust.report.page import write_report
from robust.report.tables import print_results

__all__ = ["print_results", "write_report"]
