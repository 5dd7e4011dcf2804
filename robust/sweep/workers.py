"""Several runs at a time on one machine, each in a process that is used again for the next."""

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from tqdm.auto import tqdm

Job = TypeVar("Job")
_TRIES = 2  # of a job whose process died under it


@dataclass
class _Worker(Generic[Job]):
    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    tries: int = 0


def work_off(jobs: Sequence[Job], do: Callable[[Job], bool], *, workers: int, title: str) -> None:
    """Calls `do`, which says whether all went well, for every job in one of `workers` processes, with a progress bar.

    A process that dies is replaced and its job tried once more: what is left of it goes on where it was. `do` and the
    jobs must be picklable.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque((job, 0) for job in jobs)
    staff: list[_Worker[Job]] = []
    failed = 0
    with tqdm(total=len(jobs), desc=title, unit="run", disable=None, delay=1) as bar:
        try:
            while waiting or any(worker.job is not None for worker in staff):
                while waiting and len(staff) < workers:
                    staff.append(_hire(context, do))
                for worker in staff:
                    if worker.job is None and waiting:
                        worker.job, worker.tries = waiting.popleft()
                        with contextlib.suppress(BrokenPipeError):  # it died idle: noticed below
                            worker.pipe.send(worker.job)
                bar.set_postfix(running=sum(worker.job is not None for worker in staff), failed=failed)
                for worker in _heard_from(staff):
                    job, worker.job = worker.job, None
                    try:
                        well = worker.pipe.recv()
                    except (EOFError, ConnectionResetError):  # it died
                        staff.remove(worker)
                        worker.process.join()
                        if job is not None and worker.tries + 1 < _TRIES:
                            waiting.appendleft((job, worker.tries + 1))
                            continue
                        well = False
                    failed += not well
                    bar.update()
        finally:
            for worker in staff:
                worker.pipe.close()
                if worker.job is not None:
                    worker.process.terminate()
                worker.process.join()


def _hire(context: multiprocessing.context.SpawnContext, do: Callable[[Job], bool]) -> _Worker[Job]:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, do), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _heard_from(staff: Sequence[_Worker[Job]]) -> list[_Worker[Job]]:
    """The workers that have something to say, or died; waits for one."""
    ready = wait([worker.pipe for worker in staff])
    return [worker for worker in staff if worker.pipe in ready]


def _serve(pipe: Connection, do: Callable[[Job], bool]) -> None:
    """A worker's life: jobs until the pipe is closed."""
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            pipe.send(do(pipe.recv()))
