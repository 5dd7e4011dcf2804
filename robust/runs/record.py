"""The record of how a run ended (`status.json`), checked, so that readers can rely on it."""

import datetime
import functools
import math
from pathlib import Path
from typing import Any

from robust.runs.formats import DamagedError, read_json
from robust.runs.price import is_price

#: what a record may lack, as one that was written by hand or by another version, and what then stands there
_SESSION: dict[str, Any] = {
    "command": "",
    "git_commit": None,
    "versions": {},
    "host": "",
    "cores": 0,
    "finished": "1970-01-01T00:00:00+0000",
    "durations_s": {},
    "price": {},
}
_RECORD: dict[str, Any] = _SESSION | {
    "reason": "",
    "job": None,
    "restarts": 0,
    "identity": None,
    "parents": {},
    "settings": [],
    "sources": {},
    "tracked": [],
    "trained_on": None,
    "cost": {},
    "warnings": [],
    "sessions": [],
}
_ENDS = ("done", "failed")


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file, with every key that one has. Raises DamagedError where a value is of another kind."""
    stat = path.stat()
    return _read(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(maxsize=20_000)  # a plan, and a page's sections, ask for the same ones
def _read(path: Path, *_: int) -> dict[str, Any]:
    record = read_json(path, {"state": str})
    if record["state"] not in _ENDS:
        raise DamagedError(path, f"`state` is not one of {', '.join(_ENDS)}")
    whole = _with_usual(path, record, _RECORD)
    for name in ("parents", "settings", "sources", "tracked", "warnings"):
        texts = whole[name].values() if isinstance(whole[name], dict) else whole[name]
        _check(path, name, all(isinstance(one, str) for one in texts))
    operations = whole["trained_on"]
    of_texts = isinstance(operations, dict) and all(isinstance(one, str) for one in operations.values())
    _check(path, "trained_on", operations is None or of_texts)
    numbers = (whole["cost"].get(name, 0) for name in ("seconds", "bytes", "images", "threads"))
    _check(path, "cost", all(isinstance(one, int | float) and math.isfinite(one) for one in numbers))
    _check(path, "identity", whole["identity"] is None or isinstance(whole["identity"], dict))
    _check(path, "identity", isinstance((whole["identity"] or {}).get("version", 1), int))
    _check(path, "sessions", all(isinstance(one, dict) for one in whole["sessions"]))
    return {**whole, "sessions": [_with_usual(path, one, _SESSION) for one in whole["sessions"]]}


def _with_usual(path: Path, given: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """What is given, and what it lacks; of the kinds that are usual."""
    found = {**given, **{name: value for name, value in usual.items() if name not in given}}
    for name, value in usual.items():
        kind = type(value) if value is not None else object
        _check(path, name, isinstance(found[name], kind) and not isinstance(found[name], bool))
    durations = found["durations_s"].values()
    _check(path, "durations_s", all(isinstance(one, int | float) and math.isfinite(one) for one in durations))
    _check(path, "price", is_price(found["price"]))
    _check(path, "git_commit", found["git_commit"] is None or isinstance(found["git_commit"], str))
    try:
        datetime.datetime.fromisoformat(found["finished"])
    except ValueError as error:
        raise DamagedError(path, error) from error
    return found


def _check(path: Path, name: str, holds: bool) -> None:
    if not holds:
        raise DamagedError(path, f"`{name}` is of another kind than a record's")
