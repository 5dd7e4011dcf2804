"""The report on a mind's eye (Berntsen, Kuijper, Heskes 2016)."""

from robust.report.minds_eye.claims import minds_eye_claims
from robust.report.minds_eye.results import Network, read_networks
from robust.report.minds_eye.section import minds_eye_section

__all__ = ["Network", "minds_eye_claims", "minds_eye_section", "read_networks"]
