"""Anyone's images: class folders on disk, decoded once and kept."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from robust.data.cache import digest, digest_of_images, kept
from robust.data.images import ImageSet, Splits, doubled, fixed_order
from robust.data.listing import Listing, list_part
from robust.data.picture import Style, read_picture, shown
from robust.errors import ParameterError, check, notify

_VERSION = 2  # of how files are decoded; another one decodes kept images anew
_LONG = 10  # times as long as wide: of a longer picture next to nothing is in its middle
_WNID = re.compile(r"n\d{8}")
_IMAGES_A_JOB = 256
_WORTH_WORKERS = 5_000  # images; to start the workers takes some seconds
_LAYOUT = "Expected train/<class>/<image> and test/<class>/<image>, or train/<image> and test/<image> without classes"


class Files(NamedTuple):
    """What was read: images by part, uint8 of shape (n, channels, size, size); a digest of their pixels, labels and
    classes; and what a user should know of them."""

    images: dict[str, Tensor]
    digest: str
    notes: list[str]


def folder(
    *, path: str, size: int, channels: int = 3, background: str = "white", cache_dir: str | None = None
) -> Splits:
    """The images in `path`: train/<class>/* and test/<class>/*, at any depth, in the order of the classes' names; or
    train/* and test/*, without classes: of one, `unlabelled`.

    An image is resized until its shorter side has `size` pixels, then its middle is cut out; `channels` is 3 (colour)
    or 1 (grey); where it is transparent, the `background` shows, a colour such as white or #808080. Training images
    come in a fixed random order, so that a batch holds every class. The decoded images are kept in `cache_dir` (None:
    nowhere) until a file is added, removed or changed. A Notice says what is not read, and which test images are
    training images too. Raises FileNotFoundError for what is missing, ValueError for an image that cannot be read, an
    empty class, or classes of the two parts that differ.
    """
    check("data.channels", channels, "3 (colour) or 1 (grey)", channels in (1, 3))
    check("data.size", size, "at least 1 pixel", size >= 1)
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"`data.path` must be a folder of images; {shown(path)} is not there. {_LAYOUT}.")
    listings = {part: list_part(root / part, expected=_LAYOUT) for part in ("train", "test")}
    classes = tuple(listings["train"].classes)
    if only := set(listings["train"].classes) ^ set(listings["test"].classes):
        raise ValueError(
            f"{root}/train and {root}/test must hold the same classes; only one of them has {', '.join(sorted(only))}."
        )
    style = Style(size, channels, _colour(background))
    images, digest, notes = read_files(root, listings, style, Path(cache_dir) if cache_dir else None)
    counts = {part: torch.tensor([len(group) for group in one.classes.values()]) for part, one in listings.items()}
    labels = {part: torch.repeat_interleave(count) for part, count in counts.items()}
    for note in notes:
        notify(note)
    return Splits(
        ImageSet(images["train"], labels["train"][fixed_order(len(labels["train"]))], classes),
        ImageSet(images["test"], labels["test"], classes),
        digest,
        classes if all(_WNID.fullmatch(name) for name in classes) else None,
        tuple(notes),
    )


def _colour(name: str) -> tuple[int, ...]:
    try:
        return ImageColor.getrgb(name)[:3]
    except (ValueError, AttributeError):
        raise ParameterError("data.background", "a colour such as white, black or '#808080'", name) from None


def read_files(root: Path, listings: Mapping[str, Listing], style: Style, cache_dir: Path | None) -> Files:
    """The decoded images of each part, those to train on in a fixed random order; kept in `cache_dir`. Raises
    ValueError for one that cannot be read."""
    files = {part: [file for group in one.classes.values() for file in group] for part, one in listings.items()}
    place = digest(f"{root.resolve()} {style.size} {style.channels}")[:16]
    cache = cache_dir / f"{root.resolve().name}-{style.size}-{place}.pt" if cache_dir else None

    def read() -> dict[str, Any]:
        images, notes = {}, []
        for part, those in files.items():
            images[part], found = decode([one.path for one in those], style, f"reading {root.name}/{part}")
            notes += found
        if "train" in images:
            images["train"] = images["train"][fixed_order(len(images["train"]))]
        counts = {part: {name: len(group) for name, group in one.classes.items()} for part, one in listings.items()}
        if both := doubled(images.get("train", ()), images["test"]):
            count, first = len(images["test"]), shown(files["test"][both[0]].path)
            notes.append(f"{len(both)} of the {count} test images are training images too, such as {first}.")
        return {"digest": digest_of_images(counts, images.values()), "images": images, "notes": notes}

    content = kept(cache, digest([_VERSION, files, style]), read)
    notes = [note for listing in listings.values() for note in listing.notes()]
    return Files(content["images"], content["digest"], [*dict.fromkeys([*notes, *content["notes"]])])


def decode(paths: Sequence[str], style: Style, title: str, *, least: int = 1) -> tuple[Tensor, list[str]]:
    """Images as uint8 of shape (n, channels, size, size), in workers where there are many, with a bar; and what is to
    be said of their files. Raises ValueError for one that cannot be read, or has fewer than `least` pixels on a
    side."""
    out = np.empty((len(paths), style.size, style.size, style.channels), dtype=np.uint8)
    starts = range(0, len(paths), _IMAGES_A_JOB)
    jobs = (joblib.delayed(_decode_some)(paths[start : start + _IMAGES_A_JOB], style, least) for start in starts)
    workers = -1 if len(paths) >= _WORTH_WORKERS else 1  # PIL holds Python's lock: threads would be slower than none
    notes: list[tuple[str, str]] = []
    with tqdm(total=len(paths), desc=title, unit="image", disable=None, delay=1) as bar:
        for start, (some, told) in zip(starts, joblib.Parallel(workers, return_as="generator")(jobs), strict=True):
            out[start : start + len(some)] = some
            notes += told
            bar.update(len(some))
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous(), _counted(notes)


def _decode_some(paths: Iterable[str], style: Style, least: int) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Pictures, and what is to be said of some files, with their names."""
    pictures = {path: _decode_one(path, style, least) for path in paths}
    notes = [(note, path) for path, one in pictures.items() for note in one[1]]
    return np.stack([pixels for pixels, _ in pictures.values()]), notes


def _decode_one(path: str, style: Style, least: int) -> tuple[np.ndarray, list[str]]:
    """A picture, its shorter side resized and its middle cut out, of shape (size, size, channels); and its notes."""
    picture, notes = read_picture(path, style)
    width, height = picture.size
    if min(width, height) < least:
        raise ValueError(
            f"The image {shown(path)} is too small: {width}x{height} pixels, at least {least}x{least} are needed."
        )
    if max(width, height) > _LONG * min(width, height):
        notes.append("is so long that little of it is in its middle")
    if picture.size != (style.size, style.size):
        picture = ImageOps.fit(picture, (style.size, style.size), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(style.size, style.size, style.channels), notes


def _counted(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Each thing to be said once, with the first file and the number of others."""
    counts, first = Counter(note for note, _ in notes), dict(reversed([*notes]))
    others = {note: f" and {count - 1} more: it" if count > 1 else "" for note, count in counts.items()}
    return [f"The image {shown(first[note])}{others[note]} {note}." for note in counts]
