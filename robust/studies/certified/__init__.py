"""Certified accuracy beside what was published of larger networks."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.certified.claims import certified_claims


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """Which published certified accuracies these runs reach."""
    return Findings(claims=certified_claims(folders, rows))
