"""A camera: which ISO, f-number and shutter speed networks are best at, where pictures are equally bright, and real."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.camera.claims import camera_claims
from robust.studies.camera.photographs import photographs_section
from robust.studies.camera.triangle import triangle_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """Accuracy over ISO and f-number, of simulated pictures and of real ones; what was expected of trainings."""
    sections = [triangle_section(folders, rows), photographs_section(folders)]
    return Findings(sections, camera_claims(folders, rows))
