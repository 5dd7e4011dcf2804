"""Strategies: constant, incremental and transfer learning on perturbed images (arXiv 2004.03452)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.section import Section
from robust.studies.strategies.claims import strategies_claims
from robust.studies.strategies.report import ablation_section, figures_section, one_for_all_section


def sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:
    """The paper's figures, whether there is one model for all, and what the network's parts contribute."""
    return [figures_section(folders, rows), one_for_all_section(rows), ablation_section(folders, rows)]


def claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """What the paper claims."""
    return strategies_claims(rows, folders)
