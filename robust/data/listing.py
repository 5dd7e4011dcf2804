"""The image files in folders, by class: what is there, and what is not read of it."""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from robust.data.picture import is_image, shown, suffixes

_NO_CLASSES = "unlabelled"  # what is called the class of all
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found", "Thumbs.db", "desktop.ini")  # left by others
_UNPRINTABLE = ("Cc", "Cs")  # control characters, and what is no UTF-8


class File(NamedTuple):
    """An image's file, and what changes when it does."""

    path: str
    size: int
    changed_ns: int


@dataclass
class Listing:
    """The images of each class, in the order of their names, and what lies there too, with the reason why it is not
    read."""

    classes: dict[str, list[File]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def notes(self) -> list[str]:
        """What a user should know of it."""
        notes = []
        if self.skipped:
            path, why = self.skipped[0]
            several = len(self.skipped) > 1
            these = f"{len(self.skipped)} files or folders are" if several else "1 file or folder is"
            notes.append(f"{these} not read: {shown(path)} {why}{', ...' if several else '.'}")
        alike = Counter(unicodedata.normalize("NFKC", name).casefold().strip() for name in self.classes)
        for name, count in alike.items():
            if count > 1:
                notes.append(f"{count} classes have nearly one name, {name}: are they meant to be one?")
        return notes


def list_part(part: Path, *, expected: str) -> Listing:
    """The images of each class, or of the one that all are of where there are no classes' folders. Raises as
    `list_classes` does."""
    listing = Listing()
    entries = _sorted(part) if part.is_dir() else []
    bare = [entry for entry in entries if is_image(entry.name) and entry.is_file()]
    if not bare:
        return list_classes(part, expected=expected)
    if folders := [entry for entry in entries if entry.is_dir() and not _is_hidden(entry)]:
        raise ValueError(
            f"{shown(str(part))} holds folders ({shown(folders[0].name)}) and, beside them, {len(bare)} images "
            f"({shown(bare[0].name)}). {expected}."
        )
    listing.classes[_NO_CLASSES] = [_file(entry) for entry in bare]
    _skip(listing, (entry for entry in entries if entry not in bare))
    return listing


def list_classes(part: Path, *, expected: str, only: Collection[str] | None = None) -> Listing:
    """The images in each class's folder, at any depth; of `only` these classes (None: all). Raises FileNotFoundError or
    ValueError, with the layout that is `expected`, where there are none; ValueError for a class without any, or whose
    name cannot be written."""
    if not part.is_dir():
        raise FileNotFoundError(f"There is no folder {shown(str(part))}. {expected}.")
    listing, folders = Listing(), dict[tuple[int, int], str]()
    entries = [entry for entry in _sorted(part) if only is None or entry.name in only]
    if absent := set(only or ()) - {entry.name for entry in entries}:
        raise FileNotFoundError(f"There is no folder {shown(str(part / min(absent)))}. {expected}.")
    for entry in entries:
        if not entry.is_dir() or _is_hidden(entry):
            continue
        if any(unicodedata.category(letter) in _UNPRINTABLE for letter in entry.name):
            raise ValueError(
                f"A class's folder must have a printable name in UTF-8; got {os.fsencode(entry.name)!r} in "
                f"{shown(str(part))}. Rename it."
            )
        if other := folders.get(place := _place(entry.path)):
            raise ValueError(
                f"Classes {other} and {entry.name} in {shown(str(part))} are one folder: a link leads from one to the "
                "other. Remove it."
            )
        folders[place] = entry.name
        listing.classes[entry.name] = _images(entry.path, listing)
        if not listing.classes[entry.name]:
            raise ValueError(
                f"Class {entry.name} has no images in {shown(entry.path)}. Add some (.png, .jpg or another of the "
                f"{len(suffixes())} suffixes that Pillow reads), or remove the folder."
            )
    _skip(listing, (entry for entry in entries if entry.name not in listing.classes))
    if not listing.classes:
        raise ValueError(f"{shown(str(part))} holds no images. {expected}.")
    return listing


def _images(folder: str, listing: Listing) -> list[File]:
    """The images in a folder and those within, which links may lead to, each folder once."""
    found, folders, known = [], [folder], {_place(folder)}
    for path in folders:  # which grows meanwhile
        for entry in sorted(os.scandir(path), key=lambda one: (one.is_symlink(), one.name)):
            if entry.is_dir() and not _is_hidden(entry):
                if (place := _place(entry.path)) in known:
                    listing.skipped.append((entry.path, "leads to a folder that is read already"))
                else:
                    known.add(place)
                    folders.append(entry.path)
            elif is_image(entry.name) and entry.is_file():
                found.append(_file(entry))
            else:
                _skip(listing, [entry])
    return sorted(found)


def _skip(listing: Listing, entries: Iterable["os.DirEntry[str]"]) -> None:
    """Notes what is not read; of hidden files only those that would be images."""
    for entry in entries:
        hidden, image = _is_hidden(entry), is_image(entry.name.lstrip("."))
        if hidden and (image or entry.is_dir()):
            listing.skipped.append((entry.path, "is hidden"))
        elif image and not entry.is_file():
            listing.skipped.append((entry.path, "is no file (a pipe, or a link to nothing)"))
        elif not hidden:
            listing.skipped.append((entry.path, "has no suffix of an image"))


def _is_hidden(entry: "os.DirEntry[str]") -> bool:
    return entry.name.startswith(".") or entry.name in _OF_SYSTEMS


def _sorted(folder: Path) -> "list[os.DirEntry[str]]":
    return sorted(os.scandir(folder), key=lambda entry: entry.name)


def _file(entry: "os.DirEntry[str]") -> File:
    stat = entry.stat()
    return File(entry.path, stat.st_size, stat.st_mtime_ns)


def _place(path: str) -> tuple[int, int]:
    stat = Path(path).stat()
    return stat.st_dev, stat.st_ino
