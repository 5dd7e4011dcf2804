"""Files that are written whole or not at all, and by one process at a time."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

_POLL_S = 0.02  # between two tries to get a lock


def atomic_write(path: Path, write: Callable[[IO[bytes]], Any] | str | bytes, *, durable: bool = True) -> None:
    """Writes a file so that nobody ever sees half of it: beside it first, then in its place.

    `write` is the content, or a function that writes it to a binary file. Unless it is to be `durable`, the disk takes
    it when it likes, which is much faster for many small files; only a power cut could lose one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(write):
                write(file)
            else:
                file.write(write.encode() if isinstance(write, str) else write)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """One process at a time, by a file that stays; let go by the system if that process dies. Raises OSError where it
    cannot be made."""
    from filelock import FileLock  # a tenth of a second for which a command that locks nothing need not wait

    with FileLock(path).acquire(poll_interval=_POLL_S):
        yield
