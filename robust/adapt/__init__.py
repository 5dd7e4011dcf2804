"""Test-time adaptation: a trained network that fits itself to the unlabelled pictures that it is shown.

What it says of a picture depends on those before it and on those of its batch, never on later ones; `reset` makes it
what it was when it was trained.
"""

from robust.adapt.adapting import Adapting
from robust.adapt.entropy import Eata, Sar, Tent
from robust.adapt.memo import Memo
from robust.adapt.statistics import BatchStatistics, MixedStatistics
from robust.adapt.stream import MIXED, ORDERS, PROTOCOLS, RESET, Stream

__all__ = [
    "MIXED",
    "ORDERS",
    "PROTOCOLS",
    "RESET",
    "Adapting",
    "BatchStatistics",
    "Eata",
    "Memo",
    "MixedStatistics",
    "Sar",
    "Stream",
    "Tent",
]
