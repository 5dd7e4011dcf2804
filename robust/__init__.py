"""Trains, breaks and hardens image classifiers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.experiment.given import evaluate
    from robust.runs import load

__all__ = ["evaluate", "load"]


def __getattr__(name: str) -> Any:  # torch takes seconds to import: not before it is needed
    if name == "load":
        from robust.runs import load

        return load
    if name == "evaluate":
        from robust.experiment.given import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
