"""A network at work: from unlabelled pictures, what was done to them, and how accurate it is on them."""

from robust.watch.features import FEATURES_OF_NETWORK, features
from robust.watch.monitor import UNKNOWN, Look, Monitor, Sample, fit_monitor
from robust.watch.unseen import measured_on

__all__ = [
    "FEATURES_OF_NETWORK",
    "UNKNOWN",
    "Look",
    "Monitor",
    "Sample",
    "features",
    "fit_monitor",
    "measured_on",
]
