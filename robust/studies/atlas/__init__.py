"""The atlas: every class attacked toward every other (CCRi, "Seeing with Deep Learning: Advances and Risks")."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.section import Section
from robust.studies.atlas.report import atlas_claims, atlas_sections, read_atlases


def sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:  # noqa: ARG001, attacks are in the folders
    """A section for each kind of network that was attacked from every class toward every other."""
    return atlas_sections(read_atlases(folders))


def claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG001, attacks are in the folders
    """What was published about such attacks."""
    return atlas_claims(read_atlases(folders, images=False))
