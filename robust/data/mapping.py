"""Images in a file, mapped into memory: read as they are needed."""

import math
import mmap
import warnings
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

_maps: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()  # by where they lie in memory


def map_images(file: Path, shape: tuple[int, int, int, int]) -> Tensor:
    """The uint8 images that a file holds, of this shape; not to be written to."""
    images = np.memmap(file, dtype=np.uint8, mode="r", shape=shape)
    with warnings.catch_warnings(action="ignore"):  # that it is not to be written to
        tensor = torch.from_numpy(images)
    _maps[tensor.data_ptr()] = images._mmap  # type: ignore[attr-defined]
    return tensor


def read_ahead(images: Tensor, rows: Tensor) -> None:
    """Has the system read these of the images, int64, all at once, if they lie in a file: one after the other it would
    wait for each, and read what lies around it."""
    if (mapped := _maps.get(images.data_ptr())) is None or not hasattr(mmap, "MADV_WILLNEED"):
        return
    size = math.prod(images.shape[1:])
    for row in rows.tolist():
        start = row * size // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, start, (row + 1) * size - start)
