"""Pretraining: what self-supervised pretraining is worth (rotation: arXiv 1803.07728, patches: 1505.05192, SimCLR:
2002.05709)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.section import Section
from robust.studies.pretraining.report import pretraining_claims, pretraining_sections, read_pretraining


def sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:
    """How well networks were pretrained, and what starts from them, where runs were or do."""
    return list(pretraining_sections(read_pretraining(folders, rows), folders))


def claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """What the tasks, and training from them with few labels, are to reach."""
    return pretraining_claims(read_pretraining(folders, rows))
