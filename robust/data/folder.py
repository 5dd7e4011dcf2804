"""Anyone's images: class folders on disk, decoded once and kept."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust.data.cache import digest, digest_of_images, kept
from robust.data.decode import decode, decode_to_file
from robust.data.images import ImageSet, Splits, doubled, fixed_order
from robust.data.listing import Listing, list_part
from robust.data.memory import GB, fits
from robust.data.picture import Style, colour, shown
from robust.errors import ParameterError, check, notify

_VERSION = 2  # of how files are decoded; another one decodes kept images anew
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}  # what is so called is no class
_WNID = re.compile(r"n\d{8}")
_LAYOUT = (
    "Expected train/<class>/<image> and test/<class>/<image>, or train/<image> and test/<image> without classes; to "
    "test alone, <class>/<image>"
)


class Files(NamedTuple):
    """What was read: images by part, uint8 of shape (n, channels, size, size); a digest of their pixels, labels and
    classes; and what a user should know of them."""

    images: dict[str, Tensor]
    digest: str
    notes: list[str]


def folder(
    *,
    path: str,
    size: int,
    channels: int = 3,
    background: str = "white",
    cache_dir: str | None = None,
    memory: float | None = None,
) -> Splits:
    """The images in `path`: train/<class>/* and test/<class>/*, at any depth, in the order of the classes' names; or
    train/* and test/*, without classes: of one, `unlabelled`. Without a test folder, val is read; without a train
    folder, or where `path` itself holds the classes, there are only images to test on.

    An image is resized until its shorter side has `size` pixels, then its middle is cut out; `channels` is 3 (colour)
    or 1 (grey); where it is transparent, the `background` shows, a colour such as white or #808080. Training images
    come in a fixed random order, so that a batch holds every class. The decoded images are kept in `cache_dir` (None:
    nowhere) until a file is added, removed or changed; those that take more than `memory` GB (None: half of what is
    free) are read from there as they are needed. A Notice says what is not read, and which test images are training
    images too. Raises FileNotFoundError for what is missing, ValueError for an image that cannot be read, an empty
    class, or classes of the two parts that differ.
    """
    check("data.channels", channels, "3 (colour) or 1 (grey)", channels in (1, 3))
    check("data.size", size, "at least 1 pixel", size >= 1)
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"`data.path` must be a folder of images; {shown(path)} is not there. {_LAYOUT}.")
    parts = _parts(root)
    listings = {part: list_part(place, expected=_LAYOUT) for part, place in parts.items()}
    classes = tuple(listings["test"].classes)
    if only := set(listings.get("train", listings["test"]).classes) ^ set(classes):
        raise ValueError(
            f"{parts['train']} and {parts['test']} must hold the same classes; only one of them has "
            f"{', '.join(sorted(only))}."
        )
    style = Style(size, channels, colour(background))
    files = read_files(root, listings, style, Path(cache_dir) if cache_dir else None, memory)
    return labelled(files, listings, classes, classes if all(_WNID.fullmatch(name) for name in classes) else None)


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the images to train on, where there are any, and to test on."""
    train, test, val = (root / name for name in ("train", "test", "val"))
    if not _PARTS & {entry.name.casefold() for entry in root.iterdir() if entry.is_dir()}:
        return {"test": root}
    tested = val if val.is_dir() and not test.is_dir() else test
    return {"test": tested} if tested.is_dir() and not train.is_dir() else {"train": train, "test": tested}


def labelled(
    files: Files, listings: Mapping[str, Listing], classes: tuple[str, ...], wnids: tuple[str, ...] | None
) -> Splits:
    """The images that were read, with the labels that their folders say; what is to be said of them is said."""
    for note in files.notes:
        notify(note)
    sets = {"train": ImageSet(files.images["test"][:0], torch.zeros(0, dtype=torch.int64), classes)}
    for part, listing in listings.items():
        labels = torch.repeat_interleave(torch.tensor([len(group) for group in listing.classes.values()]))
        sets[part] = ImageSet(files.images[part], labels[_order(part, len(labels))], classes)
    return Splits(sets["train"], sets["test"], files.digest, wnids, tuple(files.notes))


def read_files(
    root: Path,
    listings: Mapping[str, Listing],
    style: Style,
    cache_dir: Path | None,
    memory: float | None = None,
    *,
    chosen: str = "",
) -> Files:
    """The decoded images of each part, those to train on in a fixed random order; kept in `cache_dir`, where they do
    not fit into `memory` read from there. `chosen` tells parts of the images in `root` apart. Raises ValueError for one
    that cannot be read."""
    files = {part: [file for group in one.classes.values() for file in group] for part, one in listings.items()}
    paths = {part: [those[row].path for row in _order(part, len(those)).tolist()] for part, those in files.items()}
    place = digest(f"{root.resolve()} {style.size} {style.channels}{chosen}")[:16]
    cache = cache_dir / f"{root.resolve().name}-{style.size}-{place}.pt" if cache_dir else None
    listing = digest([_VERSION, files, style])

    def mapped() -> dict[str, tuple[Tensor, list[str]]]:
        assert cache is not None
        names = {part: cache.with_name(f"{cache.stem}-{part}.images") for part in paths}
        titles = {part: f"reading {root.name}/{part}" for part in paths}
        return {part: decode_to_file(names[part], paths[part], style, listing, titles[part]) for part in paths}

    def read() -> dict[str, Any]:
        in_memory = _fits(sum(map(len, paths.values())) * style.channels * style.size**2, memory, cache_dir)
        decoded = (
            {part: decode(those, style, f"reading {root.name}/{part}") for part, those in paths.items()}
            if in_memory
            else mapped()
        )
        images = {part: one for part, (one, _) in decoded.items()}
        notes = [note for _, told in decoded.values() for note in told]
        counts = {part: {name: len(group) for name, group in one.classes.items()} for part, one in listings.items()}
        if "train" in images and (both := doubled(images["train"], images["test"])):
            count, first = len(images["test"]), shown(files["test"][both[0]].path)
            notes.append(f"{len(both)} of the {count} test images are training images too, such as {first}.")
        about = {"digest": digest_of_images(counts, images.values()), "notes": notes}
        return {**about, "images": images if in_memory else {}}

    content = kept(cache, listing, read)
    images = content["images"] or {part: one for part, (one, _) in mapped().items()}
    notes = [note for listing in listings.values() for note in listing.notes()]
    return Files(images, content["digest"], [*dict.fromkeys([*notes, *content["notes"]])])


def _order(part: str, count: int) -> Tensor:
    """In which order the images of a part come."""
    return fixed_order(count) if part == "train" else torch.arange(count)


def _fits(size: int, memory: float | None, cache_dir: Path | None) -> bool:
    """Whether decoded images are held in memory. Raises ParameterError where they can be neither there nor on disk."""
    if cache_dir is None and not fits(size, memory):
        rule = f"a folder for decoded images that do not fit into memory: {size / GB:.1f} GB"
        raise ParameterError("data.cache_dir", rule, "null", "Name one, or raise data.memory, in GB.")
    return fits(size, memory)
