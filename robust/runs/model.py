"""A trained model as a file, and back. Reading one never executes code from it."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.files import atomic_write
from robust.models import AlexNet, Autoencoder, ConvNet, Estimator, Projector, ResNet, Siamese, TripleStaged
from robust.runs.state import MODEL

#: what a checkpoint may name for its network
_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    f"robust.models.{network.__name__}": network
    for network in (AlexNet, Autoencoder, ConvNet, Estimator, Projector, ResNet, Siamese, TripleStaged)
}


def save_model(folder: Path, model: nn.Module, architecture: dict[str, Any]) -> None:
    """Writes `model.ckpt`: the weights and the network's constructor (`_target_`) and arguments, plain values only."""
    content = {"architecture": architecture, "state_dict": model.state_dict()}
    atomic_write(folder / MODEL, lambda file: torch.save(content, file))


def load(run_folder: str | Path) -> nn.Module:
    """The trained model of a run, in eval mode, on the CPU: from images in [0, 1] to logits.

    Raises FileNotFoundError where there is no trained model, ValueError where the file is damaged, names a network that
    is not one of `robust.models`, or holds the weights of another.
    """
    path = Path(run_folder) / MODEL
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no trained model in {run_folder}: {MODEL} is missing. Give the folder of a finished run."
        )
    content = read_checkpoint(path, "architecture", "state_dict")
    return make_model(content["architecture"], content["state_dict"], path)


def make_model(architecture: dict[str, Any], state_dict: dict[str, Any], path: Path) -> nn.Module:
    """The network of an architecture with these weights, in eval mode, as the checkpoint at `path` holds them. Raises
    ValueError as `load` does."""
    try:
        model = _make(architecture, path)
        model.load_state_dict(state_dict)
    except (TypeError, KeyError, AttributeError) as error:
        raise damaged(path, error) from error
    except RuntimeError as error:
        raise ValueError(
            f"The checkpoint {path} holds the weights of another network ({_first_line(error)})."
        ) from error
    return model.eval()


def _make(architecture: Mapping[str, Any], path: Path) -> nn.Module:
    """The network, and those that it is made of."""
    arguments = {
        name: _make(value, path) if isinstance(value, Mapping) and "_target_" in value else value
        for name, value in architecture.items()
        if name != "_target_"
    }
    if (name := str(architecture["_target_"])) not in _NETWORKS:
        known = ", ".join(_NETWORKS)
        raise ValueError(f"The checkpoint {path} names the network {name}; only {known} are loaded.")
    return _NETWORKS[name](**arguments)


def read_checkpoint(path: Path, *parts: str) -> dict[str, Any]:
    """Parts of a checkpoint, tensors and plain values only, on the CPU. Raises ValueError if it is damaged."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {part: content[part] for part in parts}
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """The error for a checkpoint that cannot be read."""
    return ValueError(
        f"The checkpoint {path} is damaged or not one of ours ({_first_line(error)}). Delete it and train again."
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".:")
