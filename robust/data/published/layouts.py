"""Which published test sets lie in which folders: recognised by what lies there."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust.data.images import Splits
from robust.data.published.image_folders import (
    WNID,
    Reading,
    is_of_numbers,
    of_classes,
    of_corruptions,
    of_numbers,
    places_of_corruptions,
)
from robust.data.published.numpy_files import (
    LABELS,
    VERSIONS,
    of_one_severity,
    of_severities,
    of_versions,
    places_of_mnist_c,
)
from robust.data.published.one_test import KEY, PublishedTest
from robust.data.published.settings import of_camera, places_of_settings
from robust.errors import ParameterError, check

_LAYOUTS = (
    f"{LABELS} and <corruption>.npy (CIFAR-10-C), <corruption>/test_images.npy (MNIST-C), cifar10.1_v6_data.npy "
    "(CIFAR-10.1), <corruption>/<1 to 5>/<wnid>/<image> (ImageNet-C), <wnid>/<image> (ImageNet-R, -Sketch, -A), <0 to "
    "999>/<image> (ImageNet-V2), <l1 or l5>/<param_1 to param_27>/<wnid>/<image> (ImageNet-ES)"
)
_FEW = 5  # names that are told


def named_folders(asked: Any) -> dict[str, Path]:
    """The folders that a value of `evaluation.published` names, by what each set is called: a folder, {name: folder},
    or a list of such; null for none. A set is called as its folder is, unless it is named. Raises ParameterError for
    two of one name."""
    found: dict[str, Path] = {}
    for one in asked if isinstance(asked, list | tuple) else [asked] if asked is not None else []:
        named = one.items() if isinstance(one, Mapping) else [(Path(one).absolute().name, one)]
        for name, folder in named:
            check(KEY, name, "sets of different names", name not in found, "Name one: {name: folder}.")
            found[str(name)] = Path(folder)
    return found


def published_tests(
    asked: Any,
    splits: Splits,
    *,
    resize: int | None = None,
    cache_dir: str | None = None,
    memory: float | None = None,
) -> list[PublishedTest]:
    """The tests of all sets that a value of `evaluation.published` names, for data of these `splits`.

    A set of photographs is decoded as the data is: the shorter side resized to `resize` pixels (None: to the data's
    size), the middle cut out; decoded images are kept in `cache_dir`, and in memory up to `memory` GB (see
    `robust.data.folder`). Images are not read yet, but for a few that tell whether they are what they should be. Raises
    FileNotFoundError for a folder that is not there, ValueError for one in no known layout, or that does not fit the
    data: other classes, another size, labels or severities in another order.
    """
    reading = Reading(splits, resize, Path(cache_dir) if cache_dir else None, memory)
    tests: dict[tuple[str, str, int], PublishedTest] = {}
    for name, folder in named_folders(asked).items():
        for test in _tests(name, folder, reading):
            key = (test.name, test.corruption, test.severity)
            check(KEY, test.title, f"a folder with each corruption once; {folder} has one twice", key not in tests)
            tests[key] = test
    return [*tests.values()]


def _tests(name: str, folder: Path, reading: Reading) -> Iterator[PublishedTest]:
    if not folder.is_dir():
        raise FileNotFoundError(f"`{KEY}` must be folders of published test sets; {folder} is not there.")
    entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    names = [one.name for one in entries]
    if any(map(VERSIONS.fullmatch, names)):
        return of_versions(name, folder, reading.splits)
    if LABELS in names and sum(one.endswith(".npy") for one in names) > 1:
        return of_severities(name, folder, reading.splits)
    if places_of_mnist_c(folder):
        return of_one_severity(name, folder, reading.splits)
    if any(WNID.fullmatch(one.name) and one.is_dir() for one in entries):
        return of_classes(name, folder, reading)
    if places_of_settings(folder):
        return of_camera(name, folder, reading)
    if is_of_numbers(folder):
        return of_numbers(name, folder, reading)
    if places_of_corruptions(folder):
        return of_corruptions(name, folder, reading)
    advice = "Name the folder of a set itself."
    raise ParameterError(KEY, f"folders in a published layout: {_LAYOUTS}", f"{folder} with {_said(names)}", advice)


def _said(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{', '.join(names[:_FEW])}{more}" if names else "nothing"
