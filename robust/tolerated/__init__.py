"""Tolerated levels: up to which level of a perturbation networks keep a share of their accuracy, and images their
prediction."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.tolerated.images import image_sections
from robust.tolerated.levels import tolerated_levels
from robust.tolerated.report import print_tolerated, said, tolerance_section

__all__ = ["findings", "print_tolerated", "said", "tolerated_levels"]


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """What networks tolerate of each perturbation that was tested at four levels or more."""
    return Findings([tolerance_section(tolerated_levels(folders, rows), image_sections(folders, rows))])
