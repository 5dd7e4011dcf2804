"""Corruptions: how far networks fall under the common corruptions (arXiv 1903.12261), and which training helps."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.corruptions.claims import corruptions_claims
from robust.studies.corruptions.report import corruptions_section
from robust.studies.corruptions.stability import stability_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """The means over the corruptions and their categories, errors beside a baseline's, and what each training wins;
    flips under sequences of frames."""
    sections = [corruptions_section(folders, rows), stability_section(folders)]
    return Findings(sections, corruptions_claims(folders, rows))
