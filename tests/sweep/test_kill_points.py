"""A sweep may be disturbed at any call that changes a file; the same command ends it as if nothing had been."""

import errno
import functools
import gc
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

import robust.report
from robust.attack import AttackPlan
from robust.errors import run_command
from robust.report.figures import Drawing
from robust.report.section import Section, Table
from robust.sweep import local, pool, sweeper

CAMPAIGN = bool(os.environ.get("ROBUST_CAMPAIGN"))
SETTINGS = [
    *("technique=transfer", "perturb=hot", "evaluation=natural", "attack=fgsm", "attack.images=1"),
    *("trainer.max_epochs=2", "parent.trainer.max_epochs=2", "trainer.checkpoint_every_s=0"),
    *("trainer.threads=1", "trainer.accelerator=cpu", "trainer.progress=false", "data.batch_size=650"),
    "data.source.size=8",
]
CALLS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime")
FORK = multiprocessing.get_context("fork")
serve = pool._serve

At = Callable[[int, str], None]
Do = Callable[..., list[int]]


def count_calls(runs_dir: Path, at: At) -> None:
    """Calls `at` before each call of this process, or of those that it forks, that changes a file of this folder."""
    count = FORK.Value("i", 0)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CALLS or not isinstance(arguments[0], str | Path):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        name = str(arguments[0])
        if not name.startswith(f"{runs_dir}/") and name != "claim.json":  # which is let go of by its folder
            return
        if event == "os.mkdir" and Path(name).is_dir():
            return
        with count.get_lock():
            count.value += 1
            number = count.value
        at(number, f"{event} {arguments[1] if event == 'os.rename' else name}")

    sys.addaudithook(hook)


def disturb(how: str) -> None:
    """What happens to a sweep at one of its calls: to the process that makes it, or to all of them."""
    if how == "disk full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if how == "one killed":
        os.kill(os.getpid(), signal.SIGKILL)
    os.killpg(os.getpgrp(), {"stopped": signal.SIGINT, "terminated": signal.SIGTERM}.get(how, signal.SIGKILL))


def serve_alone(pipe: Connection, *arguments: Any) -> None:
    """A worker that was forked, not spawned: it lets go of the pipes of the others."""
    for other in gc.get_objects():
        if type(other) is Connection and other is not pipe and not other.closed:
            other.close()
    serve(pipe, *arguments)


def one_section(*_: object) -> list[Section]:
    """A report that is soon drawn."""
    numbers = pd.DataFrame({"model": ["natural"], "accuracy": [1.0]})
    drawing = Drawing(Figure(figsize=(1, 1)), "a figure", numbers)
    return [Section("All", "a text", {"one": drawing}, {"one": Table(numbers, numbers)})]


def of_two_classes(missing: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """The attacks that are to be made, of the first classes alone."""
    return lambda *arguments: [pair for pair in missing(*arguments) if pair[0] < 2]


def say_to(path: Path) -> None:
    """Sends what this process says to a file."""
    with open(path, "a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)


def do_sweep(runs_dir: Path, pack: int) -> None:
    launch = functools.partial(local.launch, pack=pack)
    run_command(lambda: sweeper.sweep([[*SETTINGS, f"runs_dir={runs_dir}"]], launch))


def do_disturbed(runs_dir: Path, pack: int, how: str, point: int) -> None:
    """Does the sweep in this process, a group of its own; what it says, and its calls, are in files beside."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(200)  # else what hangs would hang for ever
    say_to(Path(f"{runs_dir}.txt"))
    with open(f"{runs_dir}.calls", "w", buffering=1) as calls:

        def at(number: int, name: str) -> None:
            calls.write(f"{name}\n")
            if number == point:
                disturb(how)

        count_calls(runs_dir, at)
        do_sweep(runs_dir, pack)


def fork_sweeps(pipe: Connection, warm: Path) -> None:
    """A process that has imported, composed and done all that there is, and that is forked for each sweep."""
    torch.set_num_threads(1)
    sys.argv = ["train.py", *SETTINGS]
    pool.fresh_processes = lambda: FORK
    pool._serve = serve_alone
    robust.report.sections = one_section
    AttackPlan.missing = of_two_classes(AttackPlan.missing)
    say_to(warm.with_suffix(".txt"))
    do_sweep(warm, 1)
    gc.collect()
    gc.freeze()  # what is collected no more stays shared by those that are forked
    pipe.send(0)
    while order := pipe.recv():
        pids = [_fork(lambda one=one: do_disturbed(*one)) for one in order]
        pipe.send([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])


def _fork(do: Callable[[], None]) -> int:
    """Does it in a copy of this process, of which this returns the number."""
    if pid := os.fork():
        return pid
    status: Any = 0
    try:
        do()
    except SystemExit as stop:
        status = stop.code
    except BaseException:  # noqa: BLE001, nothing may leave it
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        os._exit(status)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Do]]:
    """The folder of an undisturbed sweep, and a function that does it again in processes of their own, some at once; it
    takes what `do_disturbed` does, and returns the exit statuses."""
    folder = tmp_path_factory.mktemp("warm") / "runs"
    ours, theirs = multiprocessing.Pipe()
    process = pool.fresh_processes().Process(target=fork_sweeps, args=(theirs, folder.with_name("first")))
    process.start()
    theirs.close()

    def do(*orders: tuple[Any, ...]) -> list[int]:
        ours.send([(*one, "", 0)[:4] for one in orders])
        return ours.recv()

    try:
        assert ours.recv() == 0
        assert do((folder, 1)) == [0]
        yield folder, do
        ours.send(None)
        process.join()
    finally:
        process.kill()


def results(runs_dir: Path) -> dict[str, Any]:
    """All files of a sweep by name, with what does not depend on the time it took."""
    found: dict[str, Any] = {}
    for path in sorted(runs_dir.rglob("*")):
        content: Any = None
        if path.name in ("rows.csv", "confusion.csv", "metrics.csv", "summary.json"):
            content = path.read_text()
        if path.name == "attacks.parquet":
            content = pd.read_parquet(path).drop(columns=["original", "adversarial"]).to_csv()
        if path.name == "status.json":
            content = json.loads(path.read_text())["state"]
        found[str(path.relative_to(runs_dir))] = content
    return found


PAGE = re.compile(r"report-|[^/]+/report(/|$)")
HOWS = [("killed", 1), ("killed", 2), ("one killed", 2), ("stopped", 1), ("terminated", 2), ("disk full", 1)]


@pytest.mark.timeout(20_000 if CAMPAIGN else 900)
def test_a_sweep_that_is_disturbed_anywhere_ends_with_the_same_results_and_leaves_nothing(
    warm: tuple[Path, Do], tmp_path: Path
) -> None:
    """At every call with ROBUST_CAMPAIGN=1; else at some, each in another way."""
    undisturbed, do = warm
    expected, calls = results(undisturbed), undisturbed.with_suffix(".calls").read_text().splitlines()
    assert len(calls) > 60
    cases = [(how, pack, point) for point in range(1, len(calls) + 1) for how, pack in HOWS]
    wrong = []
    for number, (how, pack, point) in enumerate(cases if CAMPAIGN else cases[:: 8 * len(HOWS) + 1]):
        runs_dir = tmp_path / str(number)
        do((runs_dir, pack, how, point))
        last = runs_dir.with_suffix(".calls").read_text().splitlines()[-1]
        status, found = do((runs_dir, pack)), results(runs_dir)
        for name in [name for name in found if PAGE.match(name) and name not in expected]:
            del found[name]  # of those runs that did not fail, or of the one
        if status != [0] or found != expected:
            changed = {name for name in {*found, *expected} if found.get(name, 0) != expected.get(name, 0)}
            wrong.append(
                f"{how} at {last}, pack={pack}: {status}, {changed}\n{runs_dir.with_suffix('.txt').read_text()}"
            )
        else:
            shutil.rmtree(runs_dir)
    assert not wrong, "\n".join(wrong)


def test_a_training_that_is_killed_goes_on_from_its_last_checkpoint(warm: tuple[Path, Do], tmp_path: Path) -> None:
    undisturbed, do = warm
    calls = undisturbed.with_suffix(".calls").read_text().splitlines()
    saved = next(number for number, call in enumerate(calls, 1) if call.endswith("last.ckpt"))
    do((tmp_path / "runs", 1, "killed", saved + 1))
    folder = next((tmp_path / "runs").glob("*natural*"))
    assert {path.name for path in folder.glob("[!.]*")} == {
        *("claim.json", "config.yaml", "last.ckpt", "log.txt", "sums.json")
    }
    assert do((tmp_path / "runs", 1)) == [0]
    assert "resuming training" in (folder / "log.txt").read_text()
    assert "going on with what process" in (folder / "log.txt").read_text()
    assert results(tmp_path / "runs") == results(undisturbed)


def test_two_commands_share_a_sweep(warm: tuple[Path, Do], tmp_path: Path) -> None:
    undisturbed, do = warm
    runs_dir = tmp_path / "runs"
    assert do((runs_dir, 1), (runs_dir, 2)) == [0, 0]
    assert results(runs_dir) == results(undisturbed)
    assert runs_dir.with_suffix(".txt").read_text().count("page: ") == 2
    for log in runs_dir.glob("*/log.txt"):
        assert log.read_text().count("starting training") == 1
        assert len(json.loads(log.with_name("status.json").read_text())["sessions"]) == 1
