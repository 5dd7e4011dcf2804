"""Strategies: constant, incremental and transfer learning on perturbed images (arXiv 2004.03452)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.strategies.claims import strategies_claims
from robust.studies.strategies.report import ablation_section, figures_section, one_for_all_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """The paper's figures, whether there is one model for all, and what the network's parts contribute."""
    sections = [figures_section(folders, rows), one_for_all_section(rows), ablation_section(folders, rows)]
    return Findings(sections, strategies_claims(rows, folders))
