"""Trains, breaks and hardens image classifiers."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.experiment.given import evaluate
    from robust.models import register
    from robust.runs import load

__all__ = ["evaluate", "load", "register"]

_ROOMS = {"evaluate": "robust.experiment.given", "load": "robust.runs", "register": "robust.models"}


def __getattr__(name: str) -> Any:  # torch takes seconds to import: not before it is needed
    if name in _ROOMS:
        return getattr(importlib.import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
