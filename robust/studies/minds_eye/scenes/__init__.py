"""Rendered objects over photographs. Drawing them (`drawing`, `rendering`, `shapes`) needs packages that not everybody
has: nothing here imports these before a set is drawn."""

from robust.studies.minds_eye.scenes.composition import NONE, RANGES, over
from robust.studies.minds_eye.scenes.sets import scenes

__all__ = ["NONE", "RANGES", "over", "scenes"]
