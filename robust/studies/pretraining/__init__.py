"""Pretraining: what self-supervised pretraining is worth (rotation: arXiv 1803.07728, patches: 1505.05192, SimCLR:
2002.05709)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.pretraining.report import pretraining_claims, pretraining_sections, read_pretraining


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """How well networks were pretrained, and what starts from them, where runs were or do."""
    found = read_pretraining(folders, rows)
    return Findings(list(pretraining_sections(found, folders)), pretraining_claims(found))
