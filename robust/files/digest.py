"""What tells the content of files apart."""

import functools
import hashlib
import json
from pathlib import Path


def digest_of(path: Path) -> str:
    """SHA-256 of what a file holds, or of the names and contents of all files in a folder; read again where one of them
    has changed. Raises FileNotFoundError where there is nothing."""
    files = [path] if not path.is_dir() else sorted(one for one in path.rglob("*") if one.is_file())
    stats = [(one, one.stat()) for one in files]
    digests = [_digest(one, stat.st_mtime_ns, stat.st_size) for one, stat in stats]
    if not path.is_dir():
        return digests[0]
    names = [str(one.relative_to(path)) for one in files]
    return hashlib.sha256(json.dumps([names, digests]).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
