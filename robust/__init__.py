"""Trains, breaks and hardens image classifiers."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from robust.experiment.anyone import evaluate, tolerance
    from robust.experiment.monitor import monitor
    from robust.models import register
    from robust.models.registry import Network

__all__ = ["evaluate", "load", "monitor", "register", "tolerance"]

_ROOMS = {
    "evaluate": "robust.experiment.anyone",
    "monitor": "robust.experiment.monitor",
    "register": "robust.models",
    "tolerance": "robust.experiment.anyone",
}


def load(run_folder: "str | Path", *, networks: "Sequence[Network | str]" = ()) -> "nn.Module":
    """The trained model of a run, in eval mode, on the CPU: from images in [0, 1], shape (batch, channels, height,
    width), to logits, shape (batch, classes). Called with anything else than such images it raises ValueError.

    It may be a network of `robust.models`, one that was registered (`robust.register`, or an installed package's entry
    point), one that the choices in ROBUST_CONF name, or one of these `networks`: classes, or their dotted names.
    Nothing else is imported or called. Raises FileNotFoundError where there is no trained model, ValueError where the
    file is damaged, names another network, or holds the weights of another.
    """
    from robust.experiment.search_path import trust_projects
    from robust.models.inputs import check_inputs
    from robust.runs import load as load_run

    trust_projects()
    model = load_run(run_folder, networks=networks)
    model.register_forward_pre_hook(check_inputs)
    return model


def __getattr__(name: str) -> Any:  # torch takes seconds to import: not before it is needed
    if name in _ROOMS:
        if name != "register":
            from robust.errors import tell_of_loading

            tell_of_loading()
        return getattr(importlib.import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
