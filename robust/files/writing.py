"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from robust.files.process import this_machine

_SUFFIX = ".partial"
_guards: dict[Path, Callable[[], None]] = {}


def atomic_write(path: Path, write: Callable[[IO[bytes]], Any] | str | bytes, *, durable: bool = True) -> None:
    """Writes a file so that half of it is never seen: beside it first, then in its place.

    `write` is the content, or a function that writes it to a binary file. Unless it is to be `durable`, the disk takes
    it when it likes, which is much faster for many small files; only a power cut could lose one. Raises OSError, which
    names `path`, where it cannot be written.
    """
    with _replacing(path) as beside, open(beside, "xb") as file:
        if callable(write):
            write(file)
        else:
            file.write(write.encode() if isinstance(write, str) else write)
        file.flush()
        if durable:
            os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """The path of a file to write beside `path`, which takes its place when the block ends well and is removed
    otherwise. Its folder is made."""
    check_guards(path)
    beside = path.with_name(f".{this_machine()}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        check_guards(path)
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(beside)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def remove_partial(folder: Path, *, of_all: bool = False) -> None:
    """Removes what writers that were killed left beside the files of a folder: writers on this machine, which are seen
    to be gone, or `of_all`, for one who has the folder to himself."""
    for file in folder.glob(f".*{_SUFFIX}"):
        machine, _, rest = file.name[1:].partition("-")
        pid = rest.partition("-")[0]
        if of_all or (machine == this_machine() and pid.isdecimal() and not psutil.pid_exists(int(pid))):
            with contextlib.suppress(OSError):  # another user's
                file.unlink()


@contextlib.contextmanager
def guarded(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """As long as the block lasts, `check` is called before this process puts a file into `folder`, or below it; if it
    raises, nothing is written."""
    _guards[folder] = check
    try:
        yield
    finally:
        del _guards[folder]


def check_guards(path: Path) -> None:
    """Raises what a guard raises of those that look after `path`."""
    for folder, check in list(_guards.items()):
        if path.is_relative_to(folder):
            check()
