"""What a provider has to state of a network, from its runs' files."""

from robust.evidence.sheet import FORMATS, evidence, write_evidence
from robust.evidence.subject import Subject, read_subject

__all__ = ["FORMATS", "Subject", "evidence", "read_subject", "write_evidence"]
