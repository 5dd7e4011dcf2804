"""Tolerated levels: up to which level of a perturbation networks keep a share of their accuracy."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.tolerance.levels import tolerated_levels
from robust.studies.tolerance.report import tolerance_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """What networks tolerate of each perturbation that was tested at four levels or more."""
    return Findings([tolerance_section(tolerated_levels(folders, rows))])
