"""Several runs at a time, each in a process that is used again for the next."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
from tqdm.auto import tqdm

Job = TypeVar("Job")
_TRIES = 2  # of a job whose process died under it


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    gpu: str | None
    job: int | None = None  # its place
    tries: int = 0


def run_pool(
    jobs: Sequence[Job], do: Callable[[Job], str], *, workers: int, title: str, gpus: Sequence[str] = ()
) -> list[str]:
    """Calls `do` for every job in one of `workers` processes, with a progress bar; returns what went wrong with each
    job, as `do` says it, "" for nothing.

    A process that dies is replaced and its job tried once more: what is left of it goes on where it was. Each process
    sees one of the `gpus`, shared out evenly, or what there is. `do` and the jobs must be picklable.
    """
    context = fresh_processes()
    waiting = deque((place, 0) for place in range(len(jobs)))
    reasons = [""] * len(jobs)
    staff: list[_Worker] = []
    with tqdm(total=len(jobs), desc=title, unit="run", disable=None, delay=1) as bar:
        try:
            while waiting or any(worker.job is not None for worker in staff):
                while waiting and len(staff) < workers:
                    used = [worker.gpu for worker in staff]
                    staff.append(_start_worker(context, do, min(gpus, key=used.count, default=None)))
                _hand_out(waiting, staff, jobs)
                running = sum(worker.job is not None for worker in staff)
                bar.set_postfix(running=running, failed=sum(map(bool, reasons)))
                for worker in _heard_from(staff):
                    job, reason = worker.job, _hear(worker)
                    if reason is None:
                        staff.remove(worker)
                        if job is not None and worker.tries + 1 < _TRIES:
                            waiting.appendleft((job, worker.tries + 1))
                            continue
                        reason = f"Its process died {_TRIES} times ({_exit(worker.process)}). Was there enough memory?"
                    if job is not None:
                        reasons[job], worker.job = reason, None
                        bar.update()
        finally:
            for worker in staff:
                worker.pipe.close()
                if worker.job is not None:
                    worker.process.terminate()
                worker.process.join()
    return reasons


def fresh_processes() -> Any:
    """How processes are started that share nothing with this one: as copies of one that has imported what runs need,
    and has done nothing else, so that only the first takes seconds; each by itself where the system cannot copy
    processes."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["robust.sweep"])
    return context


def visible_gpus() -> list[str]:
    """The GPUs of this machine that this process may use, as CUDA names them."""
    if not torch.cuda.is_available():
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",") if chosen else [str(number) for number in range(torch.cuda.device_count())]


def _hand_out(waiting: deque[tuple[int, int]], staff: Sequence[_Worker], jobs: Sequence[Job]) -> None:
    for worker in staff:
        if worker.job is None and waiting:
            worker.job, worker.tries = waiting.popleft()
            with contextlib.suppress(BrokenPipeError):  # it died idle: noticed when it is listened to
                worker.pipe.send(jobs[worker.job])


def _hear(worker: _Worker) -> str | None:
    """What a worker says of its job; None if it died."""
    try:
        return worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        return None


def _exit(process: BaseProcess) -> str:
    """How a process ended."""
    code = process.exitcode or 0
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _start_worker(context: Any, do: Callable[[Job], str], gpu: str | None) -> _Worker:
    ours, theirs = context.Pipe()
    given = (theirs, do, dict(os.environ), gpu)
    process = context.Process(target=_serve, args=given)  # not a daemon: a training may start processes
    with _ignore_interrupts():
        process.start()
    theirs.close()
    return _Worker(process, ours, gpu)


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ignores interrupts for the while, as does a process that is started then, until it says otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _heard_from(staff: Sequence[_Worker]) -> list[_Worker]:
    """The workers that have something to say, or died; waits for one."""
    ready = wait([worker.pipe for worker in staff])
    return [worker for worker in staff if worker.pipe in ready]


def _end_with_parent() -> None:
    """Ends this process when the one that started it is killed, which alone reads its results."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(pipe: Connection, do: Callable[[Job], str], environment: dict[str, str], gpu: str | None) -> None:
    """A worker's life: jobs until the pipe is closed, or the process that hands them out is gone."""
    os.environ.clear()  # of the process that it is a copy of
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as it started it was deaf
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            pipe.send(do(pipe.recv()))
