"""Rendered objects over photographs. Drawing them (`drawing`, `rendering`, `shapes`) needs packages that not everybody
has: nothing here imports these before a set is drawn."""

from robust.data.scenes.composition import NONE, RANGES, over
from robust.data.scenes.sets import scenes

__all__ = ["NONE", "RANGES", "over", "scenes"]
