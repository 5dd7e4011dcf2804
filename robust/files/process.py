"""Which process this is, of which machine, and whether another still runs."""

import contextlib
import functools
import hashlib
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """What tells this process from every other, on any machine: its host, the host's boot, the namespace in which its
    number counts, that number, when it began; and the Slurm job that it belongs to."""
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "started": _begun(os.getpid()),
        **scheduler(),
    }


def is_running(process: Mapping[str, Any]) -> bool | None:
    """Whether a process, described as `this_process` does, still runs. None where that cannot be seen from here: on
    another machine, before this one was started, in another container. False for what was this Slurm job before it was
    started again."""
    here, restarts = scheduler(), process.get("restarts")
    if here["job"] and here["job"] == process.get("job") and isinstance(restarts, int) and here["restarts"] > restarts:
        return False
    pid, started = process.get("pid"), process.get("started")
    if (process.get("boot"), process.get("namespace")) != (_boot(), _namespace()):
        return None
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return None
    try:
        return _begun(pid) == started
    except PermissionError:
        return None


def this_machine() -> str:
    """A short hash of where this process's number counts."""
    return _machine_of(os.getpid())


def scheduler() -> dict[str, Any]:
    """The Slurm job that this process belongs to, as `squeue` names it, and how often that was started again; elsewhere
    None and 0."""
    job, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    name = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else job
    return {"job": name, "restarts": int(os.environ.get("SLURM_RESTART_COUNT", 0))}


@functools.cache
def _machine_of(_: int) -> str:
    """Once for each process, as a fork may be in another namespace."""
    return hashlib.sha256(f"{_boot()} {_namespace()}".encode()).hexdigest()[:8]


def _boot() -> str:
    """What tells this start of the machine from every other."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def _namespace() -> str:
    """Where the numbers of processes count: in a container, on Linux. A name that no other process has where /proc
    shows the numbers of another."""
    if sys.platform != "linux":
        return ""
    try:
        if Path("/proc/self").readlink().name == str(os.getpid()):
            return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pass  # there is no /proc
    return secrets.token_hex(8)


def _begun(pid: int) -> float | None:
    """When a process began, by a clock that is never set; None if it is gone. Raises PermissionError
    where others' processes are hidden."""
    if sys.platform != "linux":
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
        except psutil.NoSuchProcess:
            return None
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        with contextlib.suppress(ProcessLookupError, OverflowError):
            os.kill(pid, 0)  # raises PermissionError for one of another user that /proc hides
        return None
    return None if state in "ZX" else int(fields[18])
