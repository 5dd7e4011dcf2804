"""Hardening: retraining chosen layers on a half-perturbed set (Everaert, Thiel, Yannett, "Robust Computer Vision")."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.section import Section
from robust.studies.hardening.layers import layer_sections
from robust.studies.hardening.report import hardening_claims, hardening_section


def sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:
    """What hardening brought, where a run was hardened, and which layer to harden, where several were, each alone."""
    return [hardening_section(folders, rows), *layer_sections(folders, rows)]


def claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG001, rows say it all
    """What was published about hardened networks."""
    return hardening_claims(rows)
