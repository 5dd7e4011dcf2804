"""How many runs at a time one device trains fastest: found out by trying."""

import functools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytorch_lightning as pl
import torch

from robust.errors import one_line
from robust.experiment.compose import compose
from robust.experiment.prepare import prepare
from robust.experiment.stacked import fit_stack
from robust.experiment.threads import AUTO, computing
from robust.experiment.train import fit
from robust.sweep.pool import fresh_processes

#: runs at a time, at most
MOST = 16
_GAIN = 1.1  # by which twice as many must be faster to be worth it
_FULL = 0.9  # of the memory
_SECONDS = 4.0  # of a trial
_WARM = 5  # steps before the clock starts
_PATIENCE_S = 120.0  # for the others to come to where the clock starts


@dataclass(frozen=True)
class Throughput:
    """How fast one run trains beside others."""

    steps_per_s: float
    memory: float  # that is taken of the device's, by everybody: a fraction


def best_pack(
    job: Sequence[str],
    *,
    most: int,
    gpu: str | None = None,
    stacked: bool = False,
    say: Callable[[str], object] = print,
    measure: Callable[..., list[Throughput]] | None = None,
) -> int | str:
    """How many runs like that of these overrides, at most `most`, train fastest together on the GPU `gpu`, or on this
    machine: 1, 2, 4, ... are tried, some seconds each, while that makes them faster and leaves memory for twice as
    many. With `stacked` they are tried as one network too: "stacked" where that is faster by another tenth. What comes
    of each is told to `say`; `measure` is `throughputs`."""
    look = functools.partial(measure or throughputs, job, gpu=gpu, seconds=_SECONDS)
    others = 0.0 if gpu is not None else psutil.virtual_memory().percent / 100
    best, fastest = grow(look, most=min(most, usable_cores(), MOST), others=others, say=say)
    if not stacked:
        return best
    try:
        (found,) = look(min(most, MOST), stacked=True)
    except (RuntimeError, ValueError) as error:
        say(f"as one: {one_line(error)}")
        return best
    say(f"{min(most, MOST)} as one: {found.steps_per_s:.3g} steps/s in all, {found.memory:.0%} of the memory")
    return "stacked" if found.steps_per_s > _GAIN * fastest else best


def usable_cores() -> int:
    """How many of this machine's cores this process may use; all of them where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grow(
    measure: Callable[[int], list[Throughput]], *, most: int, others: float = 0.0, say: Callable[[str], object] = print
) -> tuple[int, float]:
    """The last of 1, 2, 4, ..., `most` for which `measure` finds more than that before, by a tenth, and how much; one
    that cannot be measured ends the search. Others than these runs take a share of the memory too."""
    best, fastest, count = 1, 0.0, 1
    while count <= most:
        try:
            found = measure(count)
        except RuntimeError as error:  # a process died, or a GPU's memory was full
            say(f"{count} at a time: {one_line(error)}")
            break
        speed, memory = sum(one.steps_per_s for one in found), max(one.memory for one in found)
        say(f"{count} at a time: {speed:.3g} steps/s in all, {memory:.0%} of the memory")
        if speed < _GAIN * fastest:
            break
        best, fastest = count, speed
        if 2 * memory - others > _FULL:
            break
        count = min(2 * count, most) if count < most else most + 1
    return best, fastest


def throughputs(
    job: Sequence[str], count: int, *, gpu: str | None = None, seconds: float, stacked: bool = False
) -> list[Throughput]:
    """The throughputs of so many runs at a time, each in a process of its own, or all of them, with seeds of their own,
    `stacked` in one, over so many seconds. Raises RuntimeError where they cannot run together, ValueError where such
    runs cannot be stacked."""
    context, processes = fresh_processes(), 1 if stacked else count
    start = context.Barrier(processes)
    settings = one_thread(job) if processes > 1 else []
    one = functools.partial(_throughput_beside, seconds=seconds, stacked=count if stacked else 0)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(start, gpu)) as pool:
        return list(pool.map(one, [[*job, *settings]] * processes))


def throughput_alone(job: Sequence[str], *, seconds: float) -> Throughput:
    """The throughput of one run in this process, over so many seconds."""
    return _throughput(job, threading.Barrier(1), seconds=seconds)


_start: Any = None


def _begin(start: Any, gpu: str | None) -> None:
    global _start
    _start = start
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def one_thread(job: Sequence[str]) -> list[str]:
    """What gives a run among several one thread, where it says nothing: they would fight over the cores."""
    return ["trainer.threads=1"] if compose(job).trainer.threads in AUTO else []


def _throughput_beside(job: Sequence[str], *, seconds: float, stacked: int) -> Throughput:
    return _throughput(job, _start, seconds=seconds, stacked=stacked)


def _throughput(job: Sequence[str], start: Any, *, seconds: float, stacked: int = 0) -> Throughput:
    """How fast one trains, or so many stacked do, from where all have come to the barrier `start`."""
    with tempfile.TemporaryDirectory() as folder:
        endless = [
            "trainer.progress=false",
            f"trainer.max_epochs={10**6}",
            "trainer.patience=null",
        ]  # the clock ends it
        clock = _Clock(start, seconds)
        runs = [prepare([*job, *endless, f"runs_dir={folder}", *seed]) for seed in _seeds(stacked)]
        networks = [run.build_network() for run in runs]
        for run in runs:
            run.folder.mkdir()
        try:
            with computing(runs[0]):
                if stacked:
                    fit_stack(runs, networks, callbacks=[clock])
                else:
                    fit(runs[0], networks[0], runs[0].folder, callbacks=[clock])
        except _TimeIsUpError:
            return Throughput(len(runs) * clock.steps / clock.seconds, clock.memory)
    raise AssertionError


def _seeds(stacked: int) -> list[list[str]]:
    return [[f"seed={seed}"] for seed in range(stacked)] or [[]]


class _TimeIsUpError(Exception):
    """There were steps enough."""


class _Clock(pl.Callback):
    """Counts the steps in some seconds that begin for all runs at the same time."""

    def __init__(self, start: Any, seconds: float) -> None:
        self.start = start
        self.seconds = seconds
        self.steps = -_WARM
        self.memory = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.steps += 1
        device = trainer.strategy.root_device
        if not self.steps:
            _finish_steps(device)
            self.start.wait(_PATIENCE_S)
            self.begun = time.monotonic()
        elif self.steps > 0 and time.monotonic() - self.begun > self.seconds:
            _finish_steps(device)
            self.seconds = time.monotonic() - self.begun
            self.memory = _memory_taken(device)
            raise _TimeIsUpError


def _finish_steps(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory_taken(device: torch.device) -> float:
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return 1 - free / total
    return psutil.virtual_memory().percent / 100
