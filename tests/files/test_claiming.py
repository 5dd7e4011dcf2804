"""A claim is one process's, whatever the file system, the clocks and the machines are."""

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from robust.files import claiming
from robust.files.claiming import ClaimedError, GoneError, claimed_file, claimed_in_turn, holder, wait_for
from robust.files.process import this_process
from robust.sweep.pool import fresh_processes

FORK = fresh_processes()
ELSEWHERE = {"host": "elsewhere", "boot": "another", "namespace": "pid:[1]", "pid": 1, "started": 1}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes a tenth of a second."""
    for name, value in {"_BEAT_S": 0.02, "_STALE_S": 0.2, "_LOOK_S": 0.02, "_TELL_S": 0.1}.items():
        monkeypatch.setattr(claiming, name, value)


def left(path: Path, content: object) -> None:
    """A claim that lies there; not JSON if it is bytes."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def is_free(path: Path) -> bool:
    try:
        with claimed_file(path):
            return True
    except ClaimedError:
        return False


def no_locks(kind: str) -> None:
    """A file system that has no locks: it says so, or takes every lock for granted."""

    def flock(*_: object) -> None:
        if kind != "granted":
            raise OSError(getattr(errno, kind), os.strerror(getattr(errno, kind)))

    fcntl.flock = fcntl.lockf = flock


def race(kind: str, folder: Path, mine: int, ready: Any, wins: Any) -> None:
    no_locks(kind)
    for path in sorted(folder.iterdir()):
        ready.wait()
        try:
            with claimed_file(path / "claim.json"):
                with wins.get_lock():
                    wins[int(path.name)] += 1
                ready.wait()
        except ClaimedError:
            ready.wait()


@pytest.mark.parametrize("kind", ["ENOTSUP", "ENOSYS", "granted"])
def test_of_three_processes_one_gets_a_fresh_claim_or_that_of_a_dead_one_without_locks(
    tmp_path: Path, kind: str
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    stale = {**this_process(), "pid": dead.pid}
    dead.wait()
    for number in range(120):
        (tmp_path / f"{number:03}").mkdir()
        if number % 2:
            left(tmp_path / f"{number:03}" / "claim.json", {**stale, "token": number})
    ready, wins = FORK.Barrier(3), FORK.Array("i", 120)
    racers = [FORK.Process(target=race, args=(kind, tmp_path, mine, ready, wins)) for mine in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert list(wins) == [1] * 120
    assert [path for folder in tmp_path.iterdir() for path in folder.iterdir()] == []


def hold(path: Path, held: Any) -> None:
    with claimed_file(path):
        held.set()
        time.sleep(60)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """Another process, which holds a claim."""
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "claim.json", held))
    process.start()
    held.wait()
    yield process
    process.kill()
    process.join()


def test_a_claim_is_held_as_long_as_its_process_lives_and_nobody_waits_longer(
    tmp_path: Path, other: multiprocessing.process.BaseProcess, quick: None
) -> None:
    path = tmp_path / "claim.json"
    with pytest.raises(ClaimedError, match=f"is under way in process {other.pid} on {socket.gethostname()} since "):
        is_free(path) or claimed_file(path).__enter__()
    os.kill(other.pid, signal.SIGSTOP)
    time.sleep(0.5)
    assert not is_free(path), "its number is seen to be there, though its heart stands still"
    other.kill()
    other.join()
    assert holder(path) is None
    assert is_free(path)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_dead_and_not_buried_is_gone(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path = Path(f"/proc/{dead.pid}/stat")
    started = int(path.read_text().rpartition(")")[2].split()[19]) if path.exists() else psutil.Process(dead.pid)
    left(tmp_path / "claim.json", {**this_process(), "pid": dead.pid, "started": started})
    assert holder(tmp_path / "claim.json") is not None
    dead.kill()
    while psutil.Process(dead.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert holder(tmp_path / "claim.json") is None
    dead.communicate()


@pytest.mark.parametrize("changed", [{"boot": "another"}, {"namespace": "pid:[1]"}, {"boot": None}])
def test_where_the_process_cannot_be_seen_the_heart_decides(
    tmp_path: Path, changed: dict[str, Any], quick: None
) -> None:
    """As in another container of the same host's name, where the number is another process's, or nobody's."""
    path = tmp_path / "claim.json"
    left(path, {**this_process(), "pid": 2**22 + 1, **changed})
    assert not is_free(path), "nobody knows yet"
    begun = time.monotonic()
    while not is_free(path):
        assert time.monotonic() - begun < 5
        time.sleep(0.02)
    assert time.monotonic() - begun > 0.15


def test_a_process_that_the_machine_hides_is_not_taken_for_gone(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", hidden)
    left(tmp_path / "claim.json", {**this_process(), "pid": 2**22 + 1})
    assert not is_free(tmp_path / "claim.json")


WRONG_CLAIMS = {
    "in the future": {**ELSEWHERE, "heartbeat": time.time() + 3600},
    "of no number": b'{"host": "elsewhere", "pid": 1, "heartbeat": NaN}',
    "of a word": {**ELSEWHERE, "heartbeat": "soon", "started": "then", "pid": "one"},
    "of no host": {"pid": 1, "heartbeat": time.time()},
    "of words": {**this_process(), "pid": "one", "started": "then", "restarts": "none"},
    "a list": [1, 2],
    "a number": 3,
    "nothing": b"",
    "no text": b"\xff\x00",
}


@pytest.mark.parametrize("claim", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
def test_nobody_waits_for_ever_for_a_claim_that_nobody_touches(tmp_path: Path, claim: object, quick: None) -> None:
    path = tmp_path / "claim.json"
    left(path, claim)
    os.utime(path, (time.time() + 3600,) * 2)
    assert not is_free(path)
    begun = time.monotonic()
    with claimed_in_turn(path, "it"):
        assert 0.1 < time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clock", [-3600, 0, 3600])
def test_a_claim_that_is_touched_is_held_whatever_the_clocks_say(tmp_path: Path, clock: float, quick: None) -> None:
    path = tmp_path / "claim.json"
    left(path, ELSEWHERE)
    for beat in range(40):
        os.utime(path, (time.time() + clock + beat,) * 2)
        assert not is_free(path)
        time.sleep(0.02)


def test_who_stood_still_himself_has_seen_nothing(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_LONGEST_LOOK_S", 0.05)
    left(tmp_path / "claim.json", ELSEWHERE)
    for _ in range(3):
        assert not is_free(tmp_path / "claim.json")
        time.sleep(0.3)


def test_who_died_on_the_way_to_replace_a_claim_is_replaced_too(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    path, stale = tmp_path / "claim.json", {**this_process(), "pid": dead.pid}
    dead.wait()
    left(path, stale)
    left(claiming._right(path, path.read_bytes()), {**stale, "token": 1})
    left(claiming._right(path, b"long gone"), {**stale, "token": 2})
    assert is_free(path)
    assert list(tmp_path.iterdir()) == []


def stand_still(path: Path, held: Any, noticed: Any) -> None:
    claiming._BEAT_S = 0.02
    with claimed_file(path) as claim:
        held.set()
        try:
            while True:
                claim.check()
                time.sleep(0.01)
        except ClaimedError:
            noticed.set()


def test_a_process_that_stood_still_is_taken_over_from_another_machine_and_notices(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, held, noticed = tmp_path / "claim.json", FORK.Event(), FORK.Event()
    process = FORK.Process(target=stand_still, args=(path, held, noticed))
    process.start()
    held.wait()
    monkeypatch.setattr(claiming, "is_running", lambda _: None)  # as seen from there
    monkeypatch.setattr(claiming, "_STALE_S", 1.0)
    for _ in range(100):
        assert not is_free(path), "it is touched"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGSTOP)
    with claimed_in_turn(path, "it"):
        os.kill(process.pid, signal.SIGCONT)
        assert noticed.wait(30)
        process.join()
        assert json.loads(path.read_bytes())["pid"] == os.getpid(), "what is another's is left to him"
    assert list(tmp_path.iterdir()) == []


def test_a_process_whose_claim_was_taken_over_notices_and_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "claim.json"
    with claimed_file(path) as claim:
        claim.check()
        left(path, {**ELSEWHERE, "since": "noon"})
        with pytest.raises(ClaimedError, match="was taken over by process 1 on elsewhere since noon while process"):
            claim.check()
    assert json.loads(path.read_bytes())["host"] == "elsewhere"


def test_a_folder_that_goes_is_noticed(tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "moved"
    folder.mkdir()
    with claimed_file(folder / "claim.json") as claim:
        folder.rename(moved)
        with pytest.raises(GoneError, match=f"{folder} was moved or deleted while process"):
            claim.check()
        folder.mkdir()
        with pytest.raises(GoneError, match="moved or deleted"):
            claim.check()
    assert [*folder.iterdir(), *moved.iterdir()] == []


def test_the_terminal_is_told_at_once_and_then_from_time_to_time_what_is_waited_for(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "abcde"
    for name in names:
        left(tmp_path / name, {**ELSEWHERE, "since": "noon", "version": "0.0"})
    wait_for({tmp_path / name: f"run {name}" for name in names}, "0.1")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == (
        "waiting for run a: it is under way in process 1 on elsewhere since noon, by another version of robust (0.0; "
        "this is 0.1)"
    )
    assert said[3] == "waiting for 2 more"
    assert said[4].startswith("waiting for run a, for ")


def test_a_claim_that_cannot_be_made_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not/there"):
        is_free(tmp_path / "not" / "there" / "claim.json")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))  # a disk that is full after 10 bytes
    try:
        with pytest.raises(OSError, match=f"File too large: '{tmp_path}/claim.json'"):
            is_free(tmp_path / "claim.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


CONTAINER = """
    import sys, time
    from pathlib import Path
    from robust.files.claiming import ClaimedError, claimed_file
    with claimed_file(Path(sys.argv[1])):
        print("mine", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("mount", [["--mount-proc"], []], ids=["its own /proc", "the host's /proc"])
def test_two_containers_of_one_hosts_name_do_not_share_a_claim(tmp_path: Path, mount: list[str]) -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child", *mount]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("namespaces of processes can be made by root alone")
    path, code = tmp_path / "claim.json", textwrap.dedent(CONTAINER)
    command = [*unshare, sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        assert json.loads(path.read_text())["pid"] < 10, "its number there, which is another's here"
        second = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert "is under way in process" in second.stderr
        assert not is_free(path)
        first.communicate()
    assert is_free(path)
