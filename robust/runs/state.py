"""Who is at work in a run's folder, and how far it has come."""

import contextlib
import datetime
import functools
import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from robust.files import guarded, remove_partial
from robust.files.claiming import Claim, ClaimedError, claimed_file, describe, holder, wait_for
from robust.files.process import scheduler
from robust.runs.folder import RunFolder
from robust.runs.identity import Identity
from robust.runs.price import total
from robust.values.secrets import masked_word

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


def read_status(folder: Path) -> Status:
    """How far the run in `folder` has come."""
    files = RunFolder(folder)
    if (claim := holder(files.claim)) is not None:
        return Status(State.RUNNING, f"by {describe(claim)}", claim)
    if ended := read_end(folder):
        return ended
    begun = files.claim.is_file() or files.checkpoint.is_file() or files.model.is_file()
    return Status(State.INTERRUPTED if begun else State.ABSENT)


def read_end(folder: Path) -> Status | None:
    """How the run in `folder` ended when it last did, also where a process is at work on it now."""
    record = RunFolder(folder).read_record()
    return Status(State(record["state"]), record["reason"], record) if record else None


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Claim]:
    """Holds the run's claim as long as the block lasts; what killed processes left half written is removed. Before this
    process puts a file into the folder, it is asked whether the claim is still its own.

    Raises ClaimedError where another process has it, now or by then; GoneError where the folder was moved or deleted
    since."""
    folder.mkdir(parents=True, exist_ok=True)
    with claimed_file(RunFolder(folder).claim, version=code_version()) as claim, guarded(folder, claim.check):
        remove_partial(folder, of_all=True)
        yield claim


def clear(folder: Path) -> None:
    """Removes what a process that was killed left in a run's folder, where no process is at work on it now."""
    if RunFolder(folder).claim.is_file():
        with contextlib.suppress(ClaimedError, OSError), claimed(folder):
            pass


def wait_for_one(folders: Iterable[Path]) -> None:
    """Waits until one of the runs in these folders is no longer under way in another process, and says so. What is left
    of it then, if it was killed, is free."""
    claims = {RunFolder(folder).claim: folder.name for folder in folders}
    wait_for(claims, code_version())
    for claim in claims:
        clear(claim.parent)


def write_status(
    folder: Path,
    state: State,
    *,
    reason: str = "",
    durations_s: Mapping[str, float],
    price: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
    tracked: Sequence[str] = (),
    parents: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    settings: Sequence[str] = (),
    trained_on: Mapping[str, str] | None = None,
    cost: Mapping[str, Any] | None = None,
) -> None:
    """Records how the run ended, with what it ran on, this time and before. Written last: all else is there by then.

    `price` is what this time came to (see `Meter.price`), `identity` says what the run is (`Identity.as_dict`),
    `tracked` which trackers were told of it (`tracking_key`), `parents` the kinds of the runs that it starts from, by
    the part that takes their weights, `sources` digests of the user's own code that it was tested by, `warnings` what
    was warned of, `settings` which keys were given that make the run what it is, such as "optimizer=sgd", `trained_on`
    the operations that went into its training, each with its family, `cost` what a prediction costs
    (`prediction_cost`); what was recorded of these before stays, of warnings until it is trained anew. The price of all
    sessions is left out where one that took time does not say its own, as of an older version.
    """
    session = {
        "command": command_line(),
        "git_commit": git_commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "host": socket.gethostname(),
        "cores": os.cpu_count(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "durations_s": {name: round(value, 3) for name, value in durations_s.items()},
        "price": dict(price or {}),
    }
    before = RunFolder(folder).read_record() or {}
    sessions = [*before.get("sessions", []), session]
    durations = [one["durations_s"] for one in sessions]
    prices = [one.get("price", {}) for one in sessions if one["durations_s"]]
    record = {
        "state": state,
        "reason": reason,
        "identity": identity or before.get("identity"),
        "parents": {**before.get("parents", {}), **(parents or {})},
        "sources": {**before.get("sources", {}), **(sources or {})},
        "warnings": list(dict.fromkeys([*([] if "train" in durations_s else before.get("warnings", [])), *warnings])),
        "settings": [*settings] or before.get("settings", []),
        "trained_on": before.get("trained_on") if trained_on is None else dict(trained_on),
        "cost": {**before.get("cost", {}), **(cost or {})},
        "tracked": list(dict.fromkeys([*before.get("tracked", []), *tracked])),
        **session,
        "durations_s": {
            name: round(sum(one.get(name, 0) for one in durations), 3) for name in {**durations[0], **durations[-1]}
        },
        "price": total(prices) if all(prices) else {},
        **scheduler(),
        "sessions": sessions,
    }
    RunFolder(folder).write_record(record)


def warnings_of(folders: Iterable[Path]) -> list[str]:
    """What was warned of while these runs were made; of what begins alike, up to a colon, that of the first run."""
    warned: dict[str, list[str]] = {}
    for folder in folders:
        record = read_status(folder).record or {}
        identity = Identity.from_dict(record.get("identity"))
        of_run = f"{identity.title}, seed {identity.seed}: " if identity else ""
        for text in record.get("warnings", []):
            warned.setdefault(text.partition(":")[0], []).append(f"{of_run}{text} [{folder.name}]")
    return [first + (f" And so {len(others)} more." if others else "") for first, *others in warned.values()]


def failed_since(status: Status, since: float) -> bool:
    """Whether a run failed after the time `since`, in seconds since 1970."""
    if status.state is not State.FAILED or not status.record:
        return False
    return datetime.datetime.fromisoformat(status.record["finished"]).timestamp() > since


def command_line() -> str:
    """The command that this process was started with, less secrets."""
    typed = (one.removeprefix("++") if one.startswith("++parent.") else one for one in sys.argv)
    given = [masked_word(one) for one in typed]
    program, *arguments = (os.path.relpath(one) if Path(one).is_absolute() else one for one in given)
    started = program if program.split()[:1] == ["robust"] else f"python {shlex.quote(program)}"
    return f"{started} {shlex.join(arguments)}".strip()


@functools.cache
def code_version() -> str:
    """The version of this code: the package's, and the commit where it is a checkout."""
    commit = git_commit()
    return f"{version('robust')}, commit {commit[:12]}{'+' * commit.endswith('+')}" if commit else version("robust")


@functools.cache
def git_commit() -> str | None:
    """The commit of this code, with "+" behind it if files were changed since; None outside a checkout."""
    here = Path(__file__).parent
    ask = ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
