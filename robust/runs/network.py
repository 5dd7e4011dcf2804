"""The trained network of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robust.runs.folder import RunFolder

if TYPE_CHECKING:  # torch comes with them
    from torch import nn

    from robust.models.registry import Network


def load(run_folder: str | Path, *, networks: "Sequence[Network | str]" = ()) -> "nn.Module":
    """The trained model of a run, in eval mode, on the CPU: from images in [0, 1] to logits.

    It may be a network of `robust.models`, one that was registered (`robust.register`, or an installed package's entry
    point), or one of these `networks`: classes, or their dotted names. Nothing else is imported or called. Raises
    FileNotFoundError where there is no trained model, ValueError where the file is damaged, names another network, or
    holds the weights of another.
    """
    return RunFolder(Path(run_folder)).load_model(networks=networks)
