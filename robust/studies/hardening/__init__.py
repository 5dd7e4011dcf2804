"""Hardening: retraining chosen layers on a half-perturbed set (Everaert, Thiel, Yannett, "Robust Computer Vision")."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.hardening.layers import layer_sections
from robust.studies.hardening.report import hardening_claims, hardening_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """What hardening brought, where a run was hardened, and which layer to harden, where several were, each alone."""
    return Findings([hardening_section(folders, rows), *layer_sections(folders, rows)], hardening_claims(rows))
