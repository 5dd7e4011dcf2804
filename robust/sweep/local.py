"""Doing the runs of a sweep on this machine: one by one, several at a time, or as one."""

import functools
import math
import time
from collections.abc import Sequence

from rich.console import Console
from tqdm.auto import tqdm

from robust.errors import one_line, print_error
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.prepare import Preparation
from robust.learn import on_gpu
from robust.runs import ClaimedError, State
from robust.sweep.pool import run_pool, visible_gpus
from robust.sweep.stacks import train_stacks
from robust.sweep.tries import is_of_search, work
from robust.sweep.tune import best_pack, one_thread


def run_job(overrides: Sequence[str], *, since: float) -> str:
    """Does one run of a sweep that began at the time `since`, or recipes of a search; returns what went wrong, "" for
    nothing."""
    try:
        if is_of_search(overrides):
            return work(overrides)
        status = execute(_preparation().prepare(overrides), since=since, patient=False)
    except ClaimedError:
        return ""  # another process does it, or what it starts from; the sweep comes back to it
    except Exception as error:  # noqa: BLE001, one run must not end the others
        print_error(error)
        return one_line(error)
    return status.reason if status.state is State.FAILED else ""


@functools.cache
def _preparation() -> Preparation:
    """Of the jobs that this process does, which share parents."""
    return Preparation()


def launch(jobs: Sequence[list[str]], *, pack: int | str, since: float | None = None) -> list[str]:
    """Does the runs of these overrides, of a sweep that began at the time `since` (now), on this machine: `pack` at a
    time on each GPU, or on a machine that has none; "stacked": those of one architecture as one, on one device; "auto":
    as train fastest together. Returns what went wrong with each."""
    since = time.time() if since is None else since
    title, gpus = "all runs", gpus_for(jobs)
    devices = max(1, len(gpus))
    if pack == "auto":
        most, gpu = math.ceil(len(jobs) / devices), gpus[0] if gpus else None
        pack = _find_pack(jobs, most=most, gpu=gpu, stacked=devices == 1)
    diverged: dict[tuple[str, ...], str] = {}
    if pack == "stacked":
        diverged, pack = train_stacks(jobs, since=since), 1
    workers = min(workers_of(pack) * devices, len(jobs))
    if workers > 1:
        return run_pool(
            jobs, functools.partial(_run_beside_others, since=since), workers=workers, title=title, gpus=gpus
        )
    reasons: list[str] = []
    with tqdm(jobs, desc=title, unit="run", disable=None, leave=False) as bar:
        for job in bar:
            reasons.append(diverged.get(tuple(job)) or run_job(job, since=since))
            bar.set_postfix(failed=sum(map(bool, reasons)))
    return reasons


def workers_of(pack: int | str) -> int:
    """How many processes `pack` has compute at a time on a device: one, where it is yet to be found out, or runs are
    stacked."""
    return 1 if pack in ("auto", "stacked") else int(pack)


def gpus_for(jobs: Sequence[list[str]]) -> list[str]:
    """The GPUs that runs are shared out over: none where each takes as many as it says."""
    trainers = [compose(job).trainer for job in jobs]
    return visible_gpus() if all(one.devices == 1 and on_gpu(one.accelerator) for one in trainers) else []


def _find_pack(jobs: Sequence[list[str]], *, most: int, gpu: str | None, stacked: bool) -> int | str:
    """How many at a time are fastest, or whether as one (`stacked`), by a trial of the first run."""
    if most == 1:
        return 1
    Console().print("pack=auto: trying how many runs at a time train fastest")
    found = best_pack(jobs[0], most=most, gpu=gpu, stacked=stacked, say=Console().print)
    Console().print(f"pack={found}")
    return found


def _run_beside_others(job: list[str], *, since: float) -> str:
    return run_job([*job, "trainer.progress=false", *one_thread(job)], since=since)
