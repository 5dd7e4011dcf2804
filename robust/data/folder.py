"""Anyone's images: class folders on disk, decoded once and kept."""

import os
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from robust.data.cache import digest, digest_of_images, kept
from robust.data.images import ImageSet, Splits, fixed_order

_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_WNID = re.compile(r"n\d{8}")
_IMAGES_A_JOB = 256
_WORTH_WORKERS = 5_000  # images; to start the workers takes some seconds
_LAYOUT = "Expected train/<class>/<image> and test/<class>/<image>, or train/<image> and test/<image> without classes"
_NO_CLASSES = "unlabelled"  # what is called the class of all


def folder(*, path: str, size: int, channels: int = 3, cache_dir: str | None = None) -> Splits:
    """The images in `path`: train/<class>/* and test/<class>/*, in the order of the classes' names; or train/* and
    test/*, without classes: of one, `unlabelled`.

    An image is resized until its shorter side has `size` pixels, then its middle is cut out; `channels` is 3 (colour)
    or 1 (grey). Training images come in a fixed random order, so that a batch holds every class. The decoded images are
    kept in `cache_dir` (None: nowhere) until a file is added, removed or changed. Raises FileNotFoundError for what is
    missing, ValueError for an image that cannot be read, an empty class, or classes of the two parts that differ.
    """
    if channels not in (1, 3):
        raise ValueError(f"`data.channels` must be 3 (colour) or 1 (grey); got {channels}.")
    if size < 1:
        raise ValueError(f"`data.size` must be at least 1 pixel; got {size}.")
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"`data.path` must be a folder of images; {root} is not there. {_LAYOUT}.")
    files = {part: _list(root / part) for part in ("train", "test")}
    classes = tuple(files["train"])
    if only := set(files["train"]) ^ set(files["test"]):
        raise ValueError(
            f"{root}/train and {root}/test must hold the same classes; only one of them has {', '.join(sorted(only))}."
        )
    images, digest = read_files(root, files, size, channels, Path(cache_dir) if cache_dir else None)
    labels = {
        part: torch.repeat_interleave(torch.tensor([len(files[part][name]) for name in classes])) for part in files
    }
    return Splits(
        ImageSet(images["train"], labels["train"][fixed_order(len(labels["train"]))], classes),
        ImageSet(images["test"], labels["test"], classes),
        digest,
        classes if all(_WNID.fullmatch(name) for name in classes) else None,
    )


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES


def _list(part: Path) -> dict[str, list[os.DirEntry[str]]]:
    """The images of each class, or of the one that all are of where there are no classes' folders."""
    entries = sorted(os.scandir(part), key=lambda entry: entry.name) if part.is_dir() else []
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    bare = [entry for entry in entries if is_image(entry.name) and entry not in folders]
    if not bare:
        return list_classes(part, expected=_LAYOUT)
    if folders:
        raise ValueError(
            f"{part} holds folders ({folders[0].name}) and, beside them, {len(bare)} images ({bare[0].name}). "
            f"{_LAYOUT}."
        )
    return {_NO_CLASSES: bare}


def list_classes(part: Path, *, expected: str) -> dict[str, list[os.DirEntry[str]]]:
    """The image files in each class's folder, all in the order of their names. Raises FileNotFoundError or ValueError,
    with the layout that is `expected`, where there are none."""
    if not part.is_dir():
        raise FileNotFoundError(f"There is no folder {part}. {expected}.")
    classes = {}
    for name in sorted(entry.name for entry in os.scandir(part) if entry.is_dir() and not entry.name.startswith(".")):
        images = (entry for entry in os.scandir(part / name) if is_image(entry.name))
        classes[name] = sorted(images, key=lambda entry: entry.name)
        if not classes[name]:
            kinds = ", ".join(sorted(_SUFFIXES))
            raise ValueError(f"Class {name} has no images in {part / name}. Add some ({kinds}), or remove the folder.")
    if not classes:
        raise ValueError(f"{part} holds no images. {expected}.")
    return classes


def read_files(
    root: Path, files: dict[str, dict[str, list[os.DirEntry[str]]]], size: int, channels: int, cache_dir: Path | None
) -> tuple[dict[str, Tensor], str]:
    """The decoded images of each part, those to train on in a fixed random order, and a digest of their pixels, labels
    and classes; kept in `cache_dir`."""
    stats = {
        part: [(e.path, e.stat().st_size, e.stat().st_mtime_ns) for group in files[part].values() for e in group]
        for part in files
    }
    place = digest(f"{root.resolve()} {size} {channels}")[:16]
    cache = cache_dir / f"{root.resolve().name}-{size}-{place}.pt" if cache_dir else None

    def read() -> dict[str, Any]:
        images = {
            part: decode([path for path, *_ in stats[part]], size, channels, f"reading {root.name}/{part}")
            for part in files
        }
        if "train" in images:
            images["train"] = images["train"][fixed_order(len(images["train"]))]
        counts = {part: {name: len(group) for name, group in files[part].items()} for part in files}
        return {"digest": digest_of_images(counts, images.values()), "images": images}

    content = kept(cache, digest([stats, size, channels]), read)
    return content["images"], content["digest"]


def decode(paths: list[str], size: int, channels: int, title: str, *, least: int = 1) -> Tensor:
    """Images as uint8 of shape (n, channels, size, size), in workers where there are many, with a bar. Raises
    ValueError for one that cannot be read, or has fewer than `least` pixels on a side."""
    out = np.empty((len(paths), size, size, channels), dtype=np.uint8)
    starts = range(0, len(paths), _IMAGES_A_JOB)
    jobs = (
        joblib.delayed(_decode_some)(paths[start : start + _IMAGES_A_JOB], size, channels, least) for start in starts
    )
    workers = -1 if len(paths) >= _WORTH_WORKERS else 1  # PIL holds Python's lock: threads would be slower than none
    with tqdm(total=len(paths), desc=title, unit="image", disable=None, delay=1) as bar:
        for start, some in zip(starts, joblib.Parallel(workers, return_as="generator")(jobs), strict=True):
            out[start : start + len(some)] = some
            bar.update(len(some))
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def _decode_some(paths: list[str], size: int, channels: int, least: int) -> np.ndarray:
    return np.stack([_decode_one(path, size, channels, least) for path in paths])


def _decode_one(path: str, size: int, channels: int, least: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            picture = _eight_bits(ImageOps.exif_transpose(image)).convert("RGB" if channels == 3 else "L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"The image {path} cannot be read ({error}). Repair or remove it.") from error
    if min(picture.size) < least:
        width, height = picture.size
        raise ValueError(
            f"The image {path} is too small: {width}x{height} pixels, at least {least}x{least} are needed."
        )
    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(size, size, channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """What Pillow's `convert` would clip (16 bits) or warn about (a palette with transparency), made ready for it."""
    if image.mode == "F":
        raise ValueError("it holds floating-point values; convert it to 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    return image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image
