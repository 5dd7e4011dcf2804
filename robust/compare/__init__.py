"""Two sets of runs: what changed from one to the other, in pairs."""

from robust.compare.differences import Comparison, compared
from robust.compare.shown import comparison_lines, comparison_sections, print_comparison, write_comparison
from robust.compare.sides import Side, read_side

__all__ = [
    "Comparison",
    "Side",
    "compared",
    "comparison_lines",
    "comparison_sections",
    "print_comparison",
    "read_side",
    "write_comparison",
]
