"""Published test sets in folders of images: ImageNet-C and Tiny-ImageNet-C; ImageNet-R, -Sketch and -A; ImageNet-V2."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from robust.data.cache import digest
from robust.data.folder import read_files
from robust.data.images import ImageSet, Splits
from robust.data.listing import Listing, list_classes
from robust.data.picture import Style, read_picture
from robust.data.published.one_test import KEY, PublishedTest
from robust.errors import notify
from robust.perturb.corruptions import SEVERITIES

WNID = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"\d{1,3}")
_SEVERITY = re.compile(f"[1-{SEVERITIES}]")
_IMAGENET = 1000  # classes
_EXPECTED = "Expected <class>/<image>"


@dataclass(frozen=True)
class Reading:
    """How images in folders are read: the data's `splits`; `resize`, to which the shorter side of a photograph is
    brought before its middle is cut out (None: to the data's size); where decoded images are kept, and how many GB of
    them in memory (see `robust.data.folder`)."""

    splits: Splits
    resize: int | None = None
    cache_dir: Path | None = None
    memory: float | None = None

    def style(self, *, cropped: bool) -> Style:
        """That of photographs, or of pictures that were `cropped` before they were corrupted."""
        channels, size, _ = self.splits.test.shape
        return Style(size, channels, resize=None if cropped else self.resize)


def of_corruptions(name: str, folder: Path, reading: Reading) -> Iterator[PublishedTest]:
    """The tests of a folder such as ImageNet-C: <corruption>/<severity>/<wnid>/<image>, or one folder deeper; of the
    classes that the data has too. Raises ValueError where it has none of them, or for pictures of another size."""
    classes = _by_wnid(reading.splits)
    for corruption in places_of_corruptions(folder):
        for place in sorted(one for one in corruption.iterdir() if _SEVERITY.fullmatch(one.name)):
            chosen = _shared(place, classes)
            _check_size(place / min(chosen), reading)
            yield _test(name, corruption.name, int(place.name), place, chosen, reading, cropped=True)


def places_of_corruptions(folder: Path) -> list[Path]:
    """The folders there, or one deeper, that hold those of severities."""
    found = []
    for one in sorted(filter(Path.is_dir, folder.iterdir())):
        inner = [one] if _holds_severities(one) else sorted(filter(_holds_severities, one.iterdir()))
        found += inner
    return found


def of_classes(name: str, folder: Path, reading: Reading, *, corruption: str = "") -> Iterator[PublishedTest]:
    """The test of a folder such as ImageNet-R: <wnid>/<image>, of the classes that the data has too; what befell its
    images is called so. Raises ValueError where it has none of them."""
    chosen = _shared(folder, _by_wnid(reading.splits))
    yield _test(name, corruption, 0, folder, chosen, reading, cropped=False)


def of_numbers(name: str, folder: Path, reading: Reading) -> Iterator[PublishedTest]:
    """The test of a folder such as ImageNet-V2: <0 to 999>/<image>, the places of ImageNet's classes in the order of
    their wnids. Raises ValueError for data of other classes, or where some are missing."""
    wnids = [*_by_wnid(reading.splits)]
    if len(wnids) != _IMAGENET:
        raise ValueError(
            f"`{KEY}`: the classes in {folder} are numbered from 0 to {_IMAGENET - 1} as ImageNet's are, and the data "
            f"must have all of these; it has {len(wnids)}."
        )
    chosen = {str(number): reading.splits.wnids.index(wnid) for number, wnid in enumerate(sorted(wnids))}  # type: ignore[union-attr]
    if absent := [one for one in chosen if not (folder / one).is_dir()]:
        raise ValueError(f"`{KEY}`: {folder} must have a folder for each class; there is no {absent[0]}.")
    yield _test(name, "", 0, folder, chosen, reading, cropped=False)


def is_of_numbers(folder: Path) -> bool:
    """Whether folders of numbers lie there, and images in them."""
    named = [one for one in folder.iterdir() if _NUMBER.fullmatch(one.name) and one.is_dir()]
    return len(named) > SEVERITIES and not any(WNID.fullmatch(one.name) for one in named[0].iterdir())


def _holds_severities(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    inner = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    return bool(inner) and all(_SEVERITY.fullmatch(one.name) for one in inner)


def _by_wnid(splits: Splits) -> dict[str, int]:
    if splits.wnids is None:
        raise ValueError(
            f"`{KEY}`: sets in ImageNet's classes need data whose wnids are known: `data=tiny_imagenet`, "
            "`data=imagenet`, or a `data=folder` whose class folders are named by them (n01443537); got others."
        )
    return {wnid: label for label, wnid in enumerate(splits.wnids)}


def _shared(place: Path, classes: Mapping[str, int]) -> dict[str, int]:
    """The label of each class's folder there that the data has too, by name."""
    there = sorted(one.name for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))
    if chosen := {name: classes[name] for name in there if name in classes}:
        return chosen
    raise ValueError(
        f"`{KEY}`: {place} must hold classes of the data; none of its {len(there)} (such as {', '.join(there[:1])}) is "
        f"among the data's wnids (such as {next(iter(classes))})."
    )


def _check_size(place: Path, reading: Reading) -> None:
    style = reading.style(cropped=True)
    first = next(iter(list_classes(place.parent, expected=_EXPECTED, only=[place.name]).classes.values()))[0]
    size = read_picture(first.path, style)[0].size
    if size != (style.size, style.size):
        width, height = size
        raise ValueError(
            f"`{KEY}`: {first.path} is of {width}x{height} pixels, and the data's images of {style.size}x{style.size}; "
            "corruptions are made for one size. Give data of that size."
        )


def _test(
    name: str,
    corruption: str,
    severity: int,
    place: Path,
    chosen: Mapping[str, int],
    reading: Reading,
    *,
    cropped: bool,
) -> PublishedTest:
    every, labels = len(reading.splits.test.classes), sorted(chosen.values())
    return PublishedTest(
        name,
        corruption,
        severity,
        partial(_read, place, chosen, reading, reading.style(cropped=cropped)),
        partial(_identify, place, chosen, reading.style(cropped=cropped)),
        shared=torch.tensor(labels) if len(labels) < every else None,
    )


def _read(place: Path, chosen: Mapping[str, int], reading: Reading, style: Style) -> ImageSet:
    listing = list_classes(place, expected=_EXPECTED, only=chosen)
    files = read_files(place, {"test": listing}, style, reading.cache_dir, reading.memory, chosen=f" {sorted(chosen)}")
    for note in files.notes:
        notify(note)
    counts = torch.tensor([len(group) for group in listing.classes.values()])
    labels = torch.tensor([chosen[name] for name in listing.classes]).repeat_interleave(counts)
    test = reading.splits.test
    return ImageSet(files.images["test"], labels, test.classes, background=test.background)


def _identify(place: Path, chosen: Mapping[str, int], style: Style) -> str:
    """Of the names and sizes of the files: to decode all of them takes long, and is done once they are measured."""
    listing: Listing = list_classes(place, expected=_EXPECTED, only=chosen)
    files = {
        name: [(str(Path(file.path).relative_to(place)), file.size) for file in group]
        for name, group in listing.classes.items()
    }
    return digest([files, dict(chosen), style])
