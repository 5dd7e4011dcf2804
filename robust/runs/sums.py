"""The sums of a run's finished files: who reads one knows whether it is what was written.

`sums.json` holds the SHA-256 and the size of each finished file, the version of its layout, and which run they are of.
A new sum is written before its file, beside that of the file before: a process that is killed between the two leaves
either file as one that was written. The sum of what is under way (a log, a claim, a checkpoint) is not kept.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robust.files import atomic_write
from robust.runs.formats import DamagedError, is_file, read_json
from robust.runs.identity import VERSION, Identity

SUMS, RECORD = "sums.json", "status.json"
#: of what is in a run's files; raised for one of them where its columns come to mean something else
LAYOUT = 1
_LARGE = 2**20  # bytes
_CONTENT = {"run": str, "files": dict, "sum": str}
_ENTRY = {"sha256": str, "bytes": int, "layout": int}
_log = logging.getLogger(__name__)
_Stat = tuple[int, int, int, int]
_digests: dict[Path, tuple[_Stat, str]] = {}
_sums: dict[Path, tuple[_Stat, dict[str, Any]]] = {}
_unknown: list[Path] = []  # the first folder that has files without sums


def write(contents: Mapping[Path, bytes]) -> None:
    """Writes finished files of one run's folder, whole, in this order, and their sums before them."""
    place = next(iter(contents)).with_name(SUMS)
    sums = _read(place) or {}
    new = {path.name: _entry(content) for path, content in contents.items()}
    both = {path.name: {**new[path.name], "before": _admitted(path, sums)} for path in contents}
    _write_sums(place, {**sums, **both})
    for path, content in contents.items():
        atomic_write(path, content)
        _digests[path] = _stat(path), new[path.name]["sha256"]
    _write_sums(place, {**sums, **new}, durable=False)


def remove(paths: list[Path]) -> None:
    """Removes finished files of one run's folder, and their sums."""
    for path in paths:
        path.unlink(missing_ok=True)
    place = paths[0].with_name(SUMS)
    if sums := _read(place):
        names = {path.name for path in paths}
        _write_sums(place, {name: entry for name, entry in sums.items() if name not in names})


def check(path: Path, *, quickly: bool = False) -> bool:
    """Whether a finished file of a run is there. Raises DamagedError where it is not what was written; says so where
    it was written and is gone, and where there are no sums. A file is read for that once, until it changes; `quickly`,
    of a large one the size alone is compared."""
    entry = _entry_of(path)
    if not is_file(path):
        if entry and entry.get("before") != "":
            say_once(f"{path} was written, and is gone.")
        return False
    if entry is None:
        _tell_of_unknown(path.parent)
        return True
    if entry["layout"] > LAYOUT:
        raise DamagedError(path, f"a newer version of robust wrote it, in layout {entry['layout']}")
    if _matches(path, entry, quickly=quickly):
        return True
    now = _entry_of(path)  # of a run that is under way, a new file may have taken its place since
    if now and now != entry and _matches(path, now, quickly=quickly):
        return True
    raise DamagedError(path, f"it is not what was written there: its SHA-256 is another than in {SUMS}")


def _entry_of(path: Path) -> Any:
    """What the sums say of a file; None for nothing."""
    return (_read(path.with_name(SUMS)) or {}).get(path.name)


def _matches(path: Path, entry: Mapping[str, Any], *, quickly: bool) -> bool:
    size = path.stat().st_size
    if size != entry["bytes"] and "before" not in entry:
        return False
    if quickly and size == entry["bytes"] > _LARGE:
        return True
    return _digest(path) in (entry["sha256"], entry.get("before"))


def is_sound(path: Path) -> bool:
    """Whether a finished file is absent or as it was written; of a large one the size alone is looked at."""
    try:
        check(path, quickly=True)
    except DamagedError:
        return False
    return True


def name(folder: Path) -> str:
    """What a run's folder was called when its first file was written; somebody may have renamed or copied it."""
    place = folder / SUMS
    return _name_in(place) if _read(place) is not None else folder.name


def is_gone(path: Path) -> bool:
    """Whether a finished file was written, and is not there."""
    entry = _entry_of(path)
    return bool(entry) and entry.get("before") != "" and not is_file(path)


def names(folder: Path) -> list[str]:
    """The finished files that were written to a run's folder."""
    return sorted(_read(folder / SUMS) or {})


def forget_what_was_said() -> None:
    """Lets everything be said once more."""
    say_once.cache_clear()
    _unknown.clear()


@functools.cache
def say_once(message: str) -> None:
    """Warns of something, once in a process."""
    _log.warning("%s", message)


def _tell_of_unknown(folder: Path) -> None:
    """Says once that a folder, and maybe others, has files without sums."""
    if not _unknown:
        _unknown.append(folder)
        _log.warning("%s, maybe others too, has files without sums, of an older version: taken as they are", folder)


def _entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "layout": LAYOUT}


def _admitted(path: Path, sums: Mapping[str, Any]) -> str | None:
    """The SHA-256 of the file that a new one is to replace, where that is as it was written; "" for none."""
    if not path.exists():
        return ""
    found = _digest(path)
    entry = sums.get(path.name)
    return found if entry is None or found in (entry["sha256"], entry.get("before")) else None


def _read(place: Path) -> dict[str, Any] | None:
    """The sums in a run's folder, by the name of the file; None where there are none."""
    if not is_file(place):
        return None
    stat = _stat(place)
    if (known := _sums.get(place)) and known[0] == stat:
        return known[1]
    content = read_json(place, _CONTENT)
    files = content["files"]
    whole = content["sum"] == _sum(content["run"], files) and all(_is_entry(entry) for entry in files.values())
    if not whole:
        raise DamagedError(place, "it does not hold its own sum")
    if content["run"] != place.parent.name and not _was_called(place.parent, content["run"]):
        raise DamagedError(place, f"it is of another run, {content['run']}")
    _sums[place] = stat, files
    return files


def _was_called(folder: Path, name: str) -> bool:
    """Whether the run in a folder, which somebody may have renamed, is called so by its record."""
    try:
        identity = read_json(folder / RECORD, {"identity": dict})["identity"]
        return Identity.from_dict({**identity, "version": VERSION}).folder == name  # type: ignore[union-attr]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_sums(place: Path, files: dict[str, Any], *, durable: bool = True) -> None:
    run = _name_in(place)
    content = {"run": run, "files": files, "sum": _sum(run, files)}
    atomic_write(place, json.dumps(content, indent=1) + "\n", durable=durable)
    _sums[place] = _stat(place), files


def _name_in(place: Path) -> str:
    """Which run the sums are of: what they were of before, or the folder's name."""
    return read_json(place, _CONTENT)["run"] if is_file(place) else place.parent.name


def _sum(run: str, files: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([run, files], sort_keys=True).encode()).hexdigest()


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in _ENTRY.items())


def _digest(path: Path) -> str:
    stat = _stat(path)
    if (known := _digests.get(path)) and known[0] == stat:
        return known[1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    _digests[path] = stat, found
    return found


def _stat(path: Path) -> _Stat:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
