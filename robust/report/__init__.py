"""Rows in, tables, figures and a page out."""

from robust.report.attacks import attacks_table, print_attacks
from robust.report.figures import Drawing, draw
from robust.report.search import search_lines
from robust.report.section import numbers
from robust.report.sections import Section, run_drawings, sections
from robust.report.terminal import print_results

__all__ = [
    "Drawing",
    "Section",
    "attacks_table",
    "draw",
    "numbers",
    "print_attacks",
    "print_results",
    "run_drawings",
    "search_lines",
    "sections",
]
