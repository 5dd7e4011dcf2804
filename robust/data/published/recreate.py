"""A test set in CIFAR-10-C's layout, made again of any images: one file for each corruption, five severities in it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from robust.data.cache import digest_of_images
from robust.data.images import ImageSet, to_float
from robust.data.published.numpy_files import LABELS
from robust.data.published.one_test import RECREATED
from robust.errors import check, started
from robust.files import atomic_write
from robust.files.places import file_name
from robust.perturb import ImageRandom, Perturbation, key
from robust.perturb.corruptions import SEVERITIES
from robust.progress import Progress

_Write = Callable[[IO[bytes]], object]
_AT_ONCE = 500  # images that are perturbed together


def recreate(
    folder: Path,
    images: ImageSet,
    corruptions: Mapping[str, Sequence[Perturbation]],
    *,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> list[Path]:
    """Writes these images under each of the corruptions, by name at severities 1 to 5, in `folder`, and returns the
    files: <name>.npy, uint8 of shape (5 n, height, width, channels), severities in blocks in the images' order;
    labels.npy, the labels five times; and recreated.json, which says that the set was made again, and what `about` says
    of how.

    Randomness is drawn by (seed, corruption, severity, image). Values are rounded to 8 bits; the published sets cut
    them off, which makes those darker by half of 1/255 on average. Files that are there are not made again. Raises
    ValueError for a folder that holds anything else, before anything is written.
    """
    for name, levels in corruptions.items():
        check(name, len(levels), f"of {SEVERITIES} severities", len(levels) == SEVERITIES)
        for one in levels:
            one.check(images.shape)
    digest = digest_of_images(images.labels.tolist(), [images.images])
    made = {"layout": "cifar10_c", "seed": seed, "8 bits": "rounded", "digest": digest, **(about or {})}
    _claim(folder, json.dumps(made, indent=2) + "\n")
    with started():
        labels = np.tile(images.labels.cpu().numpy().astype(_least(len(images.classes))), SEVERITIES)
        atomic_write(folder / LABELS, _writer(labels.shape, labels.dtype, lambda file: file.write(labels.tobytes())))
        paths = []
        for name, levels in corruptions.items():
            paths.append(folder / f"{file_name(name)}.npy")
            if not paths[-1].is_file():
                _write(paths[-1], images, levels, seed, progress=progress)
        return paths


def _claim(folder: Path, made: str) -> None:
    """Says what the folder holds. Raises ValueError where it holds something else."""
    path = folder / RECREATED
    if path.is_file():
        if path.read_text() != made:
            raise ValueError(f"{folder} holds a set that was made with other settings ({path}). Name another folder.")
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds something else. Name another folder.")
    else:
        atomic_write(path, made)


def _write(path: Path, images: ImageSet, levels: Sequence[Perturbation], seed: int, *, progress: bool) -> None:
    channels, height, width = images.shape
    count = len(images) * SEVERITIES

    def fill(file: IO[bytes]) -> None:
        for one in levels:
            for start in range(0, len(images), _AT_ONCE):
                rows = torch.arange(start, min(start + _AT_ONCE, len(images)))
                file.write(_corrupted(images, rows, one, seed).permute(0, 2, 3, 1).contiguous().numpy().tobytes())
                bar.add(len(rows))

    with Progress(path.stem if progress else None, count, "image") as bar:
        atomic_write(path, _writer((count, height, width, channels), np.dtype(np.uint8), fill))


def _corrupted(images: ImageSet, rows: Tensor, perturbation: Perturbation, seed: int) -> Tensor:
    drawn = key("store", seed, "test", perturbation.name, perturbation.level)
    random = ImageRandom(drawn, images.places[rows])
    result = perturbation.perturb(to_float(images.images[rows]), random)
    return (result * 255).round().to(torch.uint8)


def _writer(shape: tuple[int, ...], dtype: np.dtype, fill: _Write) -> _Write:
    """What writes an array as numpy.save does, whose values `fill` writes, so that it never lies in memory whole."""

    def write(file: IO[bytes]) -> None:
        head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        fill(file)

    return write


def _least(classes: int) -> type[np.generic]:
    return np.uint8 if classes <= 256 else np.int64
