"""A claim: a file that says which process has something to itself. It needs no locks, which not every file system has.

A claim is made by creating its file, which only one process can. Who finds one of a process that is gone claims the
right to replace it, in the same way, by a file named by what is to be replaced, and moves that in its place. Whether a
process is gone is asked of the machine where its number counts, and told elsewhere by its claim, which it touches as
long as it lives: one that this process saw untouched for a while is free. No two clocks are ever compared.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from robust.files.process import is_running, this_process

_BEAT_S = 10.0  # between two touches
_STALE_S = 60.0  # untouched for so long, a claim is free
_LOOK_S = 2.0  # between two looks at a claim that is waited for
_LONGEST_LOOK_S = 5.0  # what counts between two looks: a process that stood still itself has seen nothing
_FEW = 3  # that are named
_TELL_S = 60.0  # between two sentences about what is waited for
_log = logging.getLogger(__name__)


class ClaimedError(RuntimeError):
    """Another process has it."""


class TakenOverError(ClaimedError):
    """Another process took it from this one, which stood still for a while."""


class GoneError(RuntimeError):
    """What was claimed was moved or deleted under way."""


@dataclass(frozen=True)
class _Found:
    """A claim's file as it was read."""

    content: bytes
    touched: int  # ns, by the clock of the process that has it

    @property
    def about(self) -> dict[str, Any]:
        """What it says; nothing if it is damaged."""
        try:
            about = json.loads(self.content)
        except ValueError:
            return {}
        return about if isinstance(about, dict) else {}


@dataclass
class _Sight:
    """How long this process has seen a claim untouched."""

    found: _Found
    looked: float
    unchanged_s: float = 0


_seen: dict[Path, _Sight] = {}


@dataclass(frozen=True)
class Claim:
    """A claim that this process made: its file, what stands in it, and what stood there of a process that is gone."""

    path: Path
    content: bytes
    replaced: dict[str, Any] | None

    def is_held(self) -> bool:
        """Whether it is still this process's: one that stood still for a while may be taken over."""
        found = _read(self.path)
        return found is not None and found.content == self.content

    def check(self) -> None:
        """Raises TakenOverError if somebody took it over, GoneError if it is not there."""
        found = _read(self.path)
        if found is None:
            raise GoneError(
                f"{self.path.parent} was moved or deleted while process {os.getpid()} was at work there, which writes "
                "nothing more. Put it where it was, or run again."
            )
        if found.content != self.content:
            raise TakenOverError(
                f"{self.path.parent} was taken over by {describe(found.about)} while process {os.getpid()} stood "
                "still, which writes nothing more there."
            )


@contextlib.contextmanager
def claimed_file(path: Path, **about: Any) -> Iterator[Claim]:
    """Holds a claim, the file `path`, as long as the block lasts; `about` is written into it, beside what process this
    is. The file goes with the block. Raises ClaimedError where another process has it, OSError where it cannot be
    made."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    content = json.dumps({**this_process(), "since": since, "token": secrets.token_hex(8), **about}).encode()
    before = _read(path)
    claim = Claim(path, content, before.about if before else None)
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(claim, stop), daemon=True)
    folder = os.open(path.parent, os.O_RDONLY)  # which stays that folder where it is moved
    try:
        if not _put(path, content):
            raise ClaimedError(f"{path.parent} is under way in {describe(holder(path) or {})}.")
        _remove_rights(path, keep=_right(path, content))
        heart.start()
        yield claim
    finally:
        stop.set()
        if heart.ident:
            heart.join()
        _release(claim, folder)
        os.close(folder)


@contextlib.contextmanager
def claimed_in_turn(path: Path, name: str) -> Iterator[None]:
    """Holds a claim, of what is called `name`, as long as the block lasts; waits for a process that has it."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(claimed_file(path))
                break
            except ClaimedError:
                wait_for({path: name})
        yield


def holder(path: Path) -> dict[str, Any] | None:
    """What the claim at `path` says of the process that has it; None for none, or for one that is gone."""
    found = _read(path)
    if found is None:
        return None
    return holder(_right(path, found.content)) if _is_stale(path, found) else found.about


def describe(claim: Mapping[str, Any]) -> str:
    """The process that made a claim, for a sentence."""
    if not {"pid", "host"} <= claim.keys():
        return "another process, of which its claim does not tell"
    since = f" since {claim['since']}" if "since" in claim else ""
    return f"process {claim['pid']} on {claim['host']}{since}"


def wait_for(claims: Mapping[Path, str], version: str | None = None) -> None:
    """Waits until one of these claims, of so called things, is free. At once, and then every minute, the
    terminal and the log are told who has them, and which `version` of the code it is if not this one."""
    begun = told = time.monotonic()
    while claims and None not in (holders := [holder(path) for path in claims]):
        now = time.monotonic()
        if now >= told:
            told = now + _TELL_S
            waited = f", for {(now - begun) / 60:.0f} minutes now" if now - begun >= _TELL_S else ""
            lines = [
                f"waiting for {name}{waited}: it is under way in {describe(one or {})}{_other_version(one, version)}"
                for name, one in zip(claims.values(), holders, strict=True)
            ]
            if len(lines) > _FEW:
                lines[_FEW:] = [f"waiting for {len(lines) - _FEW} more"]
            say("\n".join(lines))
        time.sleep(_LOOK_S)


def say(text: str) -> None:
    """Tells the log, and the terminal."""
    from rich.console import Console  # a tenth of a second for which a command that has nothing to say need not wait

    _log.info("%s", text)
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _other_version(claim: Mapping[str, Any] | None, version: str | None) -> str:
    theirs = (claim or {}).get("version")
    return f", by another version of robust ({theirs}; this is {version})" if theirs and theirs != version else ""


def _put(path: Path, content: bytes) -> bool:
    """Makes a claim at `path`, of this content, unless a process has one there; returns whether it did."""
    while True:
        with contextlib.suppress(FileExistsError):
            _create(path, content)
            return True
        found = _read(path)
        if found is None:
            continue  # let go of just now
        if not _is_stale(path, found):
            return False
        right = _right(path, found.content)
        if not _put(right, content):
            return False
        if _read(path) != found:  # replaced, or touched, since it was read
            right.unlink(missing_ok=True)
            continue
        with contextlib.suppress(FileNotFoundError):  # taken over itself, by one who waited that long
            os.replace(right, path)
        found = _read(path)
        return found is not None and found.content == content


def _create(path: Path, content: bytes) -> None:
    """Creates a file. Raises FileExistsError if there is one."""
    file = open(path, "xb")  # noqa: SIM115, closed below
    try:
        with file:
            file.write(content)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def _release(claim: Claim, folder: int) -> None:
    """Removes a claim from its folder, an open one, if it is still there."""
    with contextlib.suppress(FileNotFoundError):
        with open(claim.path.name, "rb", opener=partial(os.open, dir_fd=folder)) as file:
            is_held = file.read() == claim.content
        if is_held:
            os.unlink(claim.path.name, dir_fd=folder)


def _right(path: Path, content: bytes) -> Path:
    """The file of who may replace the claim at `path` that has this content."""
    return path.with_name(f".{path.name}.{hashlib.sha256(content).hexdigest()[:16]}")


def _remove_rights(path: Path, keep: Path) -> None:
    """Removes the rights to replace claims that are no longer there, of processes that were killed."""
    for right in path.parent.glob(f"*.{path.name}.*"):
        if keep.name not in right.name:
            right.unlink(missing_ok=True)


def _read(path: Path) -> _Found | None:
    try:
        with open(path, "rb") as file:  # opened anew, so that a network's file system asks for what it is now
            return _Found(file.read(), os.fstat(file.fileno()).st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_stale(path: Path, found: _Found) -> bool:
    """Whether the process that made a claim is gone: it, or who else could tell, says so, or it was seen untouched for
    long."""
    running = is_running(found.about)
    if running is not None:
        return not running
    now, sight = time.monotonic(), _seen.get(path)
    if sight is None or sight.found != found:
        _seen[path] = _Sight(found, now)
        return False
    sight.unchanged_s += min(now - sight.looked, _LONGEST_LOOK_S)
    sight.looked = now
    return sight.unchanged_s >= _STALE_S


def _beat(claim: Claim, stop: threading.Event) -> None:
    """Touches a claim as long as it is held. A full or absent disk shows where it matters: when results are written."""
    while not stop.wait(_BEAT_S):
        with contextlib.suppress(OSError):
            if not claim.is_held():
                return
            os.utime(claim.path)
