"""Choices of configuration that installed packages bring: folders such as `conf`, by an entry point of the group
`robust.conf`, whose value is the folder, dotted (`package.conf`). Nothing of such a package is imported for it."""

import functools
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from robust.errors import notify

#: of entry points
GROUP = "robust.conf"
_CALLED = re.compile(r"\b(?:_target_|search|network):\s*[\"']?([A-Za-z_]\w*(?:\.\w+)+)")


@functools.cache
def installed_choices() -> tuple[Path, ...]:
    """The folders of choices of installed packages, by name. One that is not there is left out, and that is said."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        if folder := _folder(entry.value):
            found.append(folder)
        else:
            notify(f"The choices of {entry.name} ({entry.value}) are left out: there is no such folder.")
    return tuple(found)


def _folder(name: str) -> Path | None:
    """The folder of a dotted name."""
    package, *within = name.split(".")
    try:
        spec = find_spec(package)
    except ValueError:  # a module that says nothing of itself
        spec = None
    places = spec.submodule_search_locations or () if spec else ()
    return next((folder for place in places if (folder := Path(place, *within)).is_dir()), None)


def called_by(folders: Iterable[Path]) -> Iterator[str]:
    """What the choices in these folders have called, by dotted name."""
    for folder in folders:
        for file in sorted(folder.rglob("*.yaml")):
            yield from _CALLED.findall(file.read_text())


@functools.cache
def called_by_packages() -> frozenset[str]:
    """What the choices of installed packages have called: who installed these trusts them."""
    return frozenset(called_by(installed_choices()))
