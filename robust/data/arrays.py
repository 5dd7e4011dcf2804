"""Images as arrays in one file, as `numpy.savez` writes it and MedMNIST is published."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robust.data.given import channels_first
from robust.data.images import ImageSet, Splits
from robust.data.memory import GB, free_memory
from robust.data.own import told
from robust.errors import ParameterError, check, one_line
from robust.values.numbers import is_whole

#: what the images and labels of a part may be called
_PARTS = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test"), ("images", "labels"), ("x", "y")),
    "val": (("val_images", "val_labels"), ("x_val", "y_val")),
}
_KEYS = (
    "test_images and test_labels, and train_images and train_labels to train on (or x_train, y_train, x_test, y_test)"
)
_CLASSES = "classes"


def npz(*, path: str, num_classes: int | None = None) -> Splits:
    """The images in the file `path`: arrays train_images, train_labels, test_images and test_labels (or x_train,
    y_train, x_test, y_test); without the first two, or of images and labels alone, a set to test on. Where there are
    val_images besides, they are left out.

    Images are uint8, or floats from 0 to 1, of shape (n, height, width), (n, height, width, channels) or (n, channels,
    height, width); labels whole numbers from 0, of shape (n,) or (n, 1). Classes are named by an array `classes`, else
    by their numbers: 0 to `num_classes` - 1 (None: to the greatest label). Nothing that is pickled is read. Raises
    FileNotFoundError or ValueError for a file that is not there or holds anything else.
    """
    rule, counted = "a whole number >= 1, or null", num_classes is None or is_whole(num_classes, 1)
    check("data.num_classes", num_classes, rule, counted)
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"`data.path` must be a .npz file with {_KEYS}; {path} is not there.")
    found = _read(file)
    pairs = {part: next((pair for pair in names if set(pair) <= found.keys()), None) for part, names in _PARTS.items()}
    if pairs["test"] is None:
        pairs |= {"test": pairs["val"], "val": None}
    if pairs["test"] is None:
        raise ParameterError("data.path", f"a .npz file with {_KEYS}", f"{path} with {', '.join(found) or 'nothing'}")
    try:
        used = {part: pair for part, pair in pairs.items() if pair and part != "val"}
        labels = {part: _labels(found[name]) for part, (_, name) in used.items()}
        classes = _classes(found, labels, num_classes)
        images = {part: channels_first(found[name], strict=True) for part, (name, _) in used.items()}
        sets = {part: ImageSet(images[part], labels[part], classes) for part in used}  # type: ignore[arg-type]
        splits = Splits(sets.get("train", sets["test"][:0]), sets["test"])
    except ParameterError:
        raise
    except ValueError as error:
        raise ValueError(f"`data.path` ({path}): {error}") from error
    notes = [f"{pairs['val'][0]} are left out: neither trained nor tested on."] if pairs["val"] else []
    return told(splits, f"`data.path` ({path})", notes)


def _read(file: Path) -> Mapping[str, np.ndarray]:
    """The arrays of a file that we know by their names."""
    known = {name for pairs in _PARTS.values() for pair in pairs for name in pair} | {_CLASSES}
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {one.filename.removesuffix(".npy"): one.file_size for one in archive.infolist()}
        _check_memory(file, sum(sizes[name] for name in sizes.keys() & known))
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in sizes if name in known}
    except ParameterError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        rule, advice = "a file that numpy.savez wrote, of numbers alone", f"It says: {one_line(error)}."
        raise ParameterError("data.path", rule, str(file), advice) from error


def _check_memory(file: Path, size: int) -> None:
    if size > free_memory():
        rule, advice = "a file whose arrays fit into memory", "Pictures in folders need not: data=folder."
        raise ParameterError("data.path", rule, f"{file} with {size / GB:.1f} GB", advice)


def _labels(labels: np.ndarray) -> np.ndarray:
    """MedMNIST's are of shape (n, 1)."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _classes(
    found: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], num_classes: int | None
) -> tuple[str, ...]:
    if _CLASSES in found:
        names = tuple(str(name) for name in np.ravel(found[_CLASSES]))
        rule = f"null, or the {len(names)} that the array `classes` names"
        check("data.num_classes", num_classes, rule, num_classes in (None, len(names)))
        return names
    greatest = max((int(one.max()) for one in labels.values() if one.size and one.dtype.kind in "iu"), default=0)
    return tuple(str(number) for number in range(greatest + 1 if num_classes is None else num_classes))
