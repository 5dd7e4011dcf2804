"""Who is at work in a run's folder, and how far it has come."""

import contextlib
import datetime
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from robust.files import atomic_write, file_lock
from robust.masking import masked_word
from robust.runs.folder import RunFolder

_HEARTBEAT_S = 10.0
_STALE_S = 60.0
_PACKAGES = ("robust", "torch", "torchvision", "pytorch-lightning", "numpy")


class State(StrEnum):
    """How far a run has come."""

    ABSENT = "to do"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True)
class Status:
    """A run's state; for a failed one the reason, for one that is running who is at it; and the record of that."""

    state: State
    reason: str = ""
    record: dict[str, Any] | None = None


class ClaimedError(RuntimeError):
    """Another process is at work on this run."""


def read_status(folder: Path) -> Status:
    """How far the run in `folder` has come."""
    files = RunFolder(folder)
    claim = _read_claim(files.claim)
    if claim and not _is_stale(claim):
        return Status(State.RUNNING, f"by process {claim['pid']} on {claim['host']}", claim)
    if ended := read_end(folder):
        return ended
    begun = claim or files.checkpoint.is_file() or files.model.is_file()
    return Status(State.INTERRUPTED if begun else State.ABSENT)


def read_end(folder: Path) -> Status | None:
    """How the run in `folder` ended when it last did, whoever is at work on it now."""
    record = RunFolder(folder).read_record()
    return Status(State(record["state"]), record["reason"], record) if record else None


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds the run's claim, with a heartbeat, as long as the block lasts. Raises ClaimedError where another process
    has it."""
    folder.mkdir(parents=True, exist_ok=True)
    claim = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        **scheduler(),
    }
    path = RunFolder(folder).claim

    def beat() -> None:
        atomic_write(path, json.dumps({**claim, "heartbeat": time.time()}))

    def is_taken() -> bool:
        """Whether somebody took the claim over, as happens to a process that was stopped for a while."""
        there = _read_claim(path)
        return there is not None and not claim.items() <= there.items()

    with file_lock(RunFolder(folder).lock):
        other = _read_claim(path)
        if other and not _is_stale(other):
            raise ClaimedError(f"{folder} is under way in process {other['pid']} on {other['host']}.")
        beat()
    stop = threading.Event()

    def keep_beating() -> None:
        while not stop.wait(_HEARTBEAT_S):
            with contextlib.suppress(OSError):  # a full or absent disk shows where it matters: when results are written
                if is_taken():
                    return
                beat()

    heart = threading.Thread(target=keep_beating, daemon=True)
    heart.start()
    try:
        yield
    finally:
        stop.set()
        heart.join()
        if not is_taken():
            path.unlink(missing_ok=True)


def write_status(
    folder: Path,
    state: State,
    *,
    reason: str = "",
    durations_s: Mapping[str, float],
    identity: Mapping[str, Any] | None = None,
    tracked: Sequence[str] = (),
    parents: Mapping[str, str] | None = None,
) -> None:
    """Records how the run ended, with what it ran on, this time and before. Written last: all else is there by then.

    `identity` says what the run is (`Identity.as_dict`), `tracked` which trackers were told of it (`tracking_key`),
    `parents` the kinds of the runs that it starts from, by the part that takes their weights; what was recorded of
    these before stays.
    """
    session = {
        "command": command_line(),
        "git_commit": git_commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "host": socket.gethostname(),
        "cores": os.cpu_count(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "durations_s": {name: round(value, 3) for name, value in durations_s.items()},
    }
    before = RunFolder(folder).read_record() or {}
    sessions = [*before.get("sessions", []), session]
    durations = [one["durations_s"] for one in sessions]
    record = {
        "state": state,
        "reason": reason,
        "identity": identity or before.get("identity"),
        "parents": {**before.get("parents", {}), **(parents or {})},
        "tracked": list(dict.fromkeys([*before.get("tracked", []), *tracked])),
        **session,
        "durations_s": {
            name: round(sum(one.get(name, 0) for one in durations), 3) for name in {**durations[0], **durations[-1]}
        },
        **scheduler(),
        "sessions": sessions,
    }
    atomic_write(RunFolder(folder).status, json.dumps(record, indent=2) + "\n")


def failed_since(status: Status, since: float) -> bool:
    """Whether a run failed after the time `since`, in seconds since 1970."""
    if status.state is not State.FAILED or not status.record:
        return False
    return datetime.datetime.fromisoformat(status.record["finished"]).timestamp() > since


def scheduler() -> dict[str, Any]:
    """The Slurm job that this process belongs to, as `squeue` names it, and how often that was started again; elsewhere
    None and 0."""
    job, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    name = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else job
    return {"job": name, "restarts": int(os.environ.get("SLURM_RESTART_COUNT", 0))}


def _read_claim(claim: Path) -> dict[str, Any] | None:
    """A claim; a damaged one is nobody's."""
    try:
        return json.loads(claim.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _is_stale(claim: dict[str, Any]) -> bool:
    """Whether whoever made the claim is gone: on this host by its process, elsewhere by its heartbeat; at once if this
    process is the same Slurm job, started again."""
    here = scheduler()
    if here["job"] and here["job"] == claim.get("job") and here["restarts"] > claim.get("restarts", 0):
        return True
    if claim["host"] == socket.gethostname():
        try:
            process = psutil.Process(claim["pid"])
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - claim["started"]) > 1
        except psutil.NoSuchProcess:
            return True
    return time.time() - claim["heartbeat"] > _STALE_S


def command_line() -> str:
    """The command that this process was started with, less secrets."""
    typed = (one.removeprefix("++") if one.startswith("++parent.") else one for one in sys.argv)
    given = [masked_word(one) for one in typed]
    program, *arguments = (os.path.relpath(one) if Path(one).is_absolute() else one for one in given)
    started = program if program.split()[:1] == ["robust"] else f"python {shlex.quote(program)}"
    return f"{started} {shlex.join(arguments)}".strip()


def git_commit() -> str | None:
    """The commit of this code, with "+" behind it if files were changed since; None outside a checkout."""
    here = Path(__file__).parent
    ask = ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
