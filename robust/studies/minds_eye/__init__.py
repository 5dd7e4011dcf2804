"""The artificial mind's eye: a network that estimates an object's pose, renders it, and compares the rendering with the
image (Berntsen, Kuijper, Heskes, "The Artificial Mind's Eye", 2016)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# What it says is imported when it is asked for: networks and scenes are loaded without the report.
if TYPE_CHECKING:
    import pandas as pd

    from robust.report.studies import Findings


def findings(folders: Sequence[Path], rows: "pd.DataFrame") -> "Findings":  # noqa: ARG001, the folders say it all
    """Errors, poses, drawings and attacks, where a mind's eye is among the runs."""
    from robust.report.studies import Findings
    from robust.studies.minds_eye.measured import minds_eye_claims
    from robust.studies.minds_eye.results import read_networks
    from robust.studies.minds_eye.section import minds_eye_section

    networks = read_networks(folders)
    return Findings([minds_eye_section(networks)], minds_eye_claims(networks)) if networks else Findings()
