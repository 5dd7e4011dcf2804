"""Several runs at a time on one device."""

from robust.pack.trial import MOST, Pace, best_pack, paces
from robust.pack.workers import visible_gpus, work_off

__all__ = ["MOST", "Pace", "best_pack", "paces", "visible_gpus", "work_off"]
