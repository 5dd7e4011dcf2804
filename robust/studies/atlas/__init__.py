"""The atlas: every class attacked toward every other (CCRi, "Seeing with Deep Learning: Advances and Risks")."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.studies import Findings
from robust.studies.atlas.report import atlas_claims, atlas_sections, read_atlases


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:  # noqa: ARG001, attacks are in the folders
    """A section for each kind of network that was attacked from every class toward every other."""
    atlases = read_atlases(folders)
    return Findings(atlas_sections(atlases), atlas_claims(atlases))
