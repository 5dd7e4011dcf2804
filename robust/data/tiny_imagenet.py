"""Tiny-ImageNet in its published layout: 200 classes of ImageNet, 64x64, colour."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robust.data.cache import digest, digest_of_images, kept
from robust.data.decode import decode
from robust.data.imagenet import class_names
from robust.data.images import ImageSet, Splits, fixed_order
from robust.data.picture import Style, is_image
from robust.values.numbers import is_whole

_SIZE = 64
_LAYOUT = (
    "Expected wnids.txt, words.txt, train/<wnid>/images/*.JPEG and val/images/*.JPEG with val/val_annotations.txt, as "
    "the published archive has them"
)


def tiny_imagenet(*, dir: str, num_classes: int = 200, per_class: int = 500, cache_dir: str | None = None) -> Splits:
    """The training images and, to test, the validation images in `dir`/tiny-imagenet-200, uint8, 3x64x64.

    With fewer than all classes, `num_classes` of them at even steps through the sorted wnids, which spreads them over
    the tree of WordNet; of each the first `per_class` training images, and all for validation. Training images come in
    a fixed random order. A class has the first of its names in `words.txt`, or its wnid where another class has the
    same. The decoded images are kept in `cache_dir` (None: nowhere) and mapped from there. Raises FileNotFoundError for
    what is missing, ValueError for an image that cannot be read or numbers there are not.
    """
    root = Path(dir) / "tiny-imagenet-200"
    if not root.is_dir():
        raise FileNotFoundError(
            f"Tiny-ImageNet is not in {root}. Set `data.dir` (or ROBUST_DATA) to the folder that holds it. {_LAYOUT}."
        )
    wnids = _choose(_read_lines(root / "wnids.txt"), num_classes)
    files = {"train": _training_files(root, wnids, per_class), "val": _validation_files(root, wnids)}
    images, identity = _decoded(root, files, Path(cache_dir) if cache_dir else None)
    classes = _names(root, wnids)
    labels = {part: torch.tensor([wnids.index(wnid) for wnid, _ in files[part]]) for part in files}
    labels["train"] = labels["train"][fixed_order(len(labels["train"]))]
    train, test = (ImageSet(images[part], labels[part], classes) for part in files)
    return Splits(train, test, identity, tuple(wnids))


def _choose(wnids: Sequence[str], count: int) -> list[str]:
    if not (is_whole(count, 2) and count <= len(wnids)):
        raise ValueError(f"`data.num_classes` must be from 2 to {len(wnids)}, all there are; got {count}.")
    ordered = sorted(line.strip() for line in wnids)
    return [ordered[place * len(ordered) // count] for place in range(count)]


def _read_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there. {_LAYOUT}.")
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}). Unpack Tiny-ImageNet again.") from error
    if not lines:
        raise ValueError(f"{path} is empty. Unpack Tiny-ImageNet again.")
    return lines


def _training_files(root: Path, wnids: Sequence[str], per_class: int) -> list[tuple[str, Path]]:
    """The wnid and the path of each image."""
    if not is_whole(per_class, 1):
        raise ValueError(f"`data.per_class` must be at least 1; got {per_class}.")
    found = []
    for wnid in wnids:
        folder = root / "train" / wnid / "images"
        names = sorted(filter(is_image, os.listdir(folder)), key=_number) if folder.is_dir() else []
        if len(names) < per_class:
            raise ValueError(
                f"`data.per_class` must be at most the images of each class; got {per_class}, and {folder} holds "
                f"{len(names)}. Name fewer, or unpack Tiny-ImageNet again."
            )
        found += [(wnid, folder / name) for name in names[:per_class]]
    return found


def _number(name: str) -> tuple[int, str]:
    """By which images of a class are in order: n01443537_12.JPEG is the twelfth."""
    digits = name.rpartition("_")[2].partition(".")[0]
    return (int(digits) if digits.isdigit() else -1, name)


def _validation_files(root: Path, wnids: Sequence[str]) -> list[tuple[str, Path]]:
    path = root / "val" / "val_annotations.txt"
    known, found = set(wnids), []
    for number, line in enumerate(_read_lines(path), start=1):
        name, _, rest = line.partition("\t")
        if not rest:
            raise ValueError(f"{path}, line {number}, must be an image and its wnid, apart by a tab; got {line!r}.")
        wnid = rest.split("\t")[0].strip()
        if wnid in known:
            found.append((wnid, root / "val" / "images" / name))
    if without := known - {wnid for wnid, _ in found}:
        raise ValueError(f"{path} names no image of {', '.join(sorted(without))}. Unpack Tiny-ImageNet again.")
    return sorted(found, key=lambda one: (wnids.index(one[0]), _number(one[1].name)))


def _names(root: Path, wnids: Sequence[str]) -> tuple[str, ...]:
    words = dict(line.split("\t", 1) for line in _read_lines(root / "words.txt") if "\t" in line)
    return tuple(class_names(wnids, words).values())


def _decoded(
    root: Path, files: dict[str, list[tuple[str, Path]]], cache_dir: Path | None
) -> tuple[dict[str, Tensor], str]:
    """The images of each part, and a digest of their pixels and classes."""
    stats = {part: [_stat(path) for _, path in files[part]] for part in files}
    place = digest([str(root.resolve()), {part: [str(path) for _, path in files[part]] for part in files}])[:16]

    def read() -> dict[str, Any]:
        images = {
            part: decode([str(path) for _, path in files[part]], Style(_SIZE, 3), f"reading {root.name}/{part}")[0]
            for part in files
        }
        images["train"] = images["train"][fixed_order(len(images["train"]))]
        about = {part: [wnid for wnid, _ in files[part]] for part in files}
        return {"digest": digest_of_images(about, images.values()), "images": images}

    content = kept(cache_dir / f"{root.name}-{place}.pt" if cache_dir else None, digest(stats), read)
    return content["images"], content["digest"]


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"The image {path} is not there. Unpack Tiny-ImageNet again.") from None
    return stat.st_size, stat.st_mtime_ns
