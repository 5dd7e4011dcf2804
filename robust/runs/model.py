"""A trained model as a file, and back. Reading one never executes code from it."""

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.models import UnknownNetworkError, make_network
from robust.models.registry import Network

_UNREADABLE = (
    *(RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, IndexError, AttributeError, MemoryError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, NotImplementedError, OverflowError, zlib.error, AssertionError),
)


def checkpoint(model: nn.Module, architecture: Mapping[str, Any]) -> bytes:
    """A checkpoint: the weights and the network's constructor (`_target_`) and arguments, plain values only."""
    file = io.BytesIO()
    torch.save({"architecture": dict(architecture), "state_dict": model.state_dict()}, file)
    return file.getvalue()


def load_model(path: Path, *, networks: Sequence[Network | str] = ()) -> nn.Module:
    """The network of a checkpoint, in eval mode, on the CPU. Raises ValueError as `robust.load` does."""
    content = read_checkpoint(path, "architecture", "state_dict")
    return make_model(content["architecture"], content["state_dict"], path, networks)


def make_model(
    architecture: dict[str, Any], state_dict: dict[str, Any], path: Path, networks: Sequence[Network | str] = ()
) -> nn.Module:
    """The network of an architecture with these weights, in eval mode, as the checkpoint at `path` holds them. Raises
    ValueError as `load` does."""
    try:
        model = make_network(architecture, networks)
        model.load_state_dict(state_dict)
    except UnknownNetworkError as error:
        raise ValueError(f"The checkpoint {path} names {error}") from error
    except ValueError as error:
        raise ValueError(f"The network that the checkpoint {path} names cannot be made: {error}") from error
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise damaged(path, error) from error
    except RuntimeError as error:
        raise ValueError(
            f"The checkpoint {path} holds the weights of another network ({_first_line(error)})."
        ) from error
    return model.eval()


def read_checkpoint(path: Path, *parts: str) -> dict[str, Any]:
    """Parts of a checkpoint, tensors and plain values only, on the CPU. Raises ValueError if it is damaged: the archive
    knows a checksum of each of its parts, which PyTorch does not look at."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if wrong := archive.testzip():
                    raise ValueError(f"the checksum of {wrong} is another")
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {part: content[part] for part in parts}
    except _UNREADABLE as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """The error for a checkpoint that cannot be read."""
    return ValueError(
        f"The checkpoint {path} is damaged or not one of ours ({_first_line(error)}). Delete it and train again."
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".:")
