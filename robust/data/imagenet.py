"""ImageNet in its usual layout, or a part of its classes: what networks for large images are measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from robust.data.archive import counted_as
from robust.data.folder import labelled, read_files
from robust.data.images import Splits
from robust.data.listing import Listing, list_classes
from robust.data.picture import Style
from robust.errors import ParameterError, check, suggest
from robust.values.numbers import is_whole

_CLASSES, _TRAIN, _TEST = 1000, 1_281_167, 50_000
_LAYOUT = (
    "Expected train/<wnid>/<image> and val/<wnid>/<image> (val alone to test); validation images that lie in one "
    "folder are sorted into their classes' by torchvision.datasets.ImageNet"
)


def imagenet(
    *,
    path: str,
    size: int = 224,
    resize: int | None = 256,
    classes: Sequence[str] | None = None,
    num_classes: int | None = None,
    per_class: int | None = None,
    cache_dir: str | None = None,
    memory: float | None = None,
) -> Splits:
    """The images in `path`/train/<wnid>/* and, to test, in `path`/val/<wnid>/*, uint8, 3 x `size` x `size`; without a
    train folder there are only those.

    The shorter side is resized to `resize` pixels (None: to `size`), bilinearly, then the middle is cut out: what
    torchvision's `Resize` and `CenterCrop` give. Of the classes all, or `classes` by wnid or name, or `num_classes` at
    even steps; in the order of their wnids. Of each the first `per_class` training images (None: all). A class has the
    first of its names in LOC_synset_mapping.txt or words.txt in `path`, or its wnid where neither is there or another
    class has the same. Images are kept in `cache_dir`, as those of a folder. Raises FileNotFoundError for what is
    missing, ValueError for an image that cannot be read, or classes or images that there are not.
    """
    check("data.size", size, "a whole number >= 1", is_whole(size, 1))
    check("data.resize", resize, f"null or at least data.size ({size})", resize is None or is_whole(resize, size))
    root = Path(path)
    if not (root / "val").is_dir():
        raise FileNotFoundError(f"`data.path` must be ImageNet's folder; {root / 'val'} is not there. {_LAYOUT}.")
    known = sorted(one.name for one in (root / "val").iterdir() if one.is_dir() and not one.name.startswith("."))
    if not known:
        raise FileNotFoundError(f"{root / 'val'} holds no classes' folders. {_LAYOUT}.")
    names = class_names(known, _words(root))
    chosen = _choose(known, names, classes, num_classes)
    listings = {"test": list_classes(root / "val", expected=_LAYOUT, only=chosen)}
    if (root / "train").is_dir():
        listings = {"train": _first(list_classes(root / "train", expected=_LAYOUT, only=chosen), per_class), **listings}
    style, part = Style(size, 3, resize=resize), f" {resize} {chosen} {per_class}"
    files = read_files(root, listings, style, Path(cache_dir) if cache_dir else None, memory, chosen=part)
    splits = labelled(files, listings, tuple(names[wnid] for wnid in chosen), tuple(chosen))
    whole = len(known) == len(chosen) == _CLASSES and per_class is None and len(splits.train)
    return counted_as("ImageNet", splits, train=_TRAIN, test=_TEST) if whole else splits


def class_names(wnids: Sequence[str], words: Mapping[str, str]) -> dict[str, str]:
    """The first of each class's names, of `words` apart by commas; its wnid where there is none, or another class has
    the same."""
    names = [words.get(wnid, wnid).split(",")[0].strip() for wnid in wnids]
    return {wnid: name if names.count(name) == 1 else wnid for wnid, name in zip(wnids, names, strict=True)}


def _words(root: Path) -> dict[str, str]:
    """The names of the classes that a list beside the images gives."""
    for file in (root / "LOC_synset_mapping.txt", root / "words.txt"):
        if file.is_file():
            lines = (line.split(maxsplit=1) for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
            return {line[0]: line[1] for line in lines if len(line) > 1}
    return {}


def _choose(
    known: Sequence[str], names: Mapping[str, str], classes: Sequence[str] | None, count: int | None
) -> list[str]:
    """The wnids of the classes that are asked for."""
    if classes is None:
        count = len(known) if count is None else count
        rule = f"a whole number from 2 to {len(known)}, as many classes as there are, or null"
        check("data.num_classes", count, rule, is_whole(count, 2) and count <= len(known))
        return [known[place * len(known) // count] for place in range(count)]
    check("data.num_classes", count, "null where data.classes are given", count is None)
    wnids = {**{name: wnid for wnid, name in names.items()}, **{wnid: wnid for wnid in known}}
    for one in classes:
        if one not in wnids:
            rule = "wnids or names of classes in `data.path`, such as n01440764"
            raise ParameterError("data.classes", rule, one, suggest(one, wnids).strip())
    chosen = sorted({wnids[one] for one in classes})
    check("data.classes", list(classes), "at least two different classes", len(chosen) == len(classes) > 1)
    return chosen


def _first(listing: Listing, per_class: int | None) -> Listing:
    """With the first images of each class alone."""
    if per_class is None:
        return listing
    most = min(len(files) for files in listing.classes.values())
    rule = f"a whole number from 1 to {most}, all there are of a class, or null"
    check("data.per_class", per_class, rule, is_whole(per_class, 1) and per_class <= most)
    return replace(listing, classes={name: files[:per_class] for name, files in listing.classes.items()})
