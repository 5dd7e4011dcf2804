"""Images that took long to make, kept on disk."""

import hashlib
import json
import pickle
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robust.files import atomic_write, remove_partial


def digest(value: Any) -> str:
    """A hash of plain values."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def digest_of_images(about: Any, images: Iterable[Tensor]) -> str:
    """A hash of images and of plain values about them."""
    content = hashlib.sha256(json.dumps(about).encode())
    for part in images:
        content.update(part.contiguous().numpy().data)
    return content.hexdigest()


def kept(path: Path | None, listing: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` returns (tensors and plain values), from the file `path` where that was written for this `listing`
    of all it depends on; else made and written there. None: made each time."""
    if path and (there := _read(path, listing)):
        return there
    content = {**make(), "listing": listing}
    if path:
        remove_partial(path.parent)
        try:
            atomic_write(path, lambda file: torch.save(content, file))
        except OSError as error:
            why = f"images cannot be kept in {path.parent} ({error.strerror}); they will be made again each time"
            warnings.warn(f"`data.cache_dir`: {why}.", stacklevel=2)
    return content


def _read(path: Path, listing: str) -> dict[str, Any] | None:
    try:
        there = torch.load(path, mmap=True, weights_only=True)
        return there if there["listing"] == listing else None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError):
        return None  # absent or damaged: made anew
