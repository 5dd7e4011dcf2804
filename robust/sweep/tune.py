"""How many runs at a time one device trains fastest: found out by trying."""

import functools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch

from robust.errors import one_line
from robust.experiment.compose import compose
from robust.experiment.prepare import prepare
from robust.experiment.threads import AUTO, computing
from robust.experiment.train import fit
from robust.sweep.pool import fresh_processes

#: runs at a time, at most
MOST = 16
_GAIN = 1.1  # by which twice as many must be faster to be worth it
_FULL = 0.9  # of the memory
_WARM = 5  # steps before the clock starts
_PATIENCE_S = 120.0  # for the others to come to where the clock starts


@dataclass(frozen=True)
class Throughput:
    """How fast one run trains beside others."""

    steps_per_s: float
    memory: float  # that is taken of the device's, by everybody: a fraction


def best_pack(
    job: Sequence[str], *, most: int, gpu: str | None = None, seconds: float = 4.0, say: Callable[[str], object] = print
) -> int:
    """How many runs like that of these overrides, at most `most`, train fastest together on the GPU `gpu`, or on this
    machine: 1, 2, 4, ... are tried, so many `seconds` each, while that makes them faster and leaves memory for twice as
    many. What comes of each is told to `say`."""
    most = min(most, usable_cores(), MOST)
    others = 0.0 if gpu is not None else psutil.virtual_memory().percent / 100
    return grow(lambda count: throughputs(job, count, gpu=gpu, seconds=seconds), most=most, others=others, say=say)


def usable_cores() -> int:
    """How many of this machine's cores this process may use; all of them where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grow(
    measure: Callable[[int], list[Throughput]], *, most: int, others: float = 0.0, say: Callable[[str], object] = print
) -> int:
    """The last of 1, 2, 4, ..., `most` for which `measure` finds more than that before, by a tenth; one that cannot be
    measured ends the search. Others than these runs take a share of the memory too."""
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
    return best


def throughputs(job: Sequence[str], count: int, *, gpu: str | None = None, seconds: float) -> list[Throughput]:
    """The throughputs of so many runs at a time, each in a process of its own, over so many seconds. Raises
    RuntimeError where they cannot run together."""
    context = fresh_processes()
    start = context.Barrier(count)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(start, gpu)) as pool:
        return list(pool.map(functools.partial(_throughput, count=count, seconds=seconds), [job] * count))


_start: Any = None


def _begin(start: Any, gpu: str | None) -> None:
    global _start
    _start = start
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def one_thread(job: Sequence[str]) -> list[str]:
    """What gives a run among several one thread, where it says nothing: they would fight over the cores."""
    return ["trainer.threads=1"] if compose(job).trainer.threads in AUTO else []


def _throughput(job: Sequence[str], *, count: int, seconds: float) -> Throughput:
    """How fast one of so many trains."""
    with tempfile.TemporaryDirectory() as folder:
        endless = [
            "trainer.progress=false",
            f"trainer.max_epochs={10**6}",
            "trainer.patience=null",
        ]  # the clock ends it
        run, clock = (
            prepare([*job, *endless, f"runs_dir={folder}", *(one_thread(job) if count > 1 else [])]),
            _Clock(_start, seconds),
        )
        try:
            with computing(run):
                fit(run, run.build_network(), Path(folder), callbacks=[clock])
        except _TimeIsUpError:
            return Throughput(clock.steps / clock.seconds, clock.memory)
    raise AssertionError


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
