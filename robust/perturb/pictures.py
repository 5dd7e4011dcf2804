"""Pictures of the user's that perturbations are made of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".webp")


def picture_files(folder: Path, *, what: str, instead: str) -> list[Path]:
    """The pictures in a folder and below it, by name; `what` they show. Raises ValueError where there are none,
    and says what may be given `instead`."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not found:
        raise ValueError(
            f"`pictures` must be a folder with {what} ({', '.join(_SUFFIXES)}), or {instead}; got {folder}, which "
            f"{'has none' if folder.is_dir() else 'is not there'}."
        )
    return found


def as_written(files: Sequence[Path]) -> tuple[tuple[Path, int], ...]:
    """Files, each with when it was written: what tells whether anything kept of them is still of what they hold."""
    return tuple((file, file.stat().st_mtime_ns) for file in files)


def read_picture(file: Path, *, side: int | None = None) -> Tensor:
    """A picture in colour, uint8 of shape (3, height, width); with a `side` its middle, so large. Raises ValueError
    where it cannot be read."""
    try:
        with Image.open(file) as picture:
            colours = picture.convert("RGB")
            fitted = ImageOps.fit(colours, (side, side), Image.Resampling.BILINEAR) if side else colours
            return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"`pictures` must hold pictures that can be read; {file} cannot ({error}).") from error
