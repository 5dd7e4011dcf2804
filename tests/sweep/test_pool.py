import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from robust.sweep.pool import fresh_processes, run_pool


def note(job: tuple[Path, str]) -> str:
    folder, name = job
    (folder / f"{name}-{os.getpid()}").touch()
    return ""


def die_once(job: tuple[Path, str]) -> str:
    folder, name = job
    if name == "2" and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return note(job)


def die_always(job: tuple[Path, str]) -> str:
    if job[1] == "2":
        os.kill(os.getpid(), signal.SIGKILL)
    return note(job)


def done(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in folder.iterdir() if "-" in path.name)


def jobs(folder: Path) -> list[tuple[Path, str]]:
    return [(folder, str(place)) for place in range(6)]


def test_every_job_is_done_once_by_workers_that_are_used_again(tmp_path: Path) -> None:
    assert run_pool(jobs(tmp_path), note, workers=2, title="") == [""] * 6
    assert done(tmp_path) == list("012345")
    processes = {path.name.split("-")[1] for path in tmp_path.iterdir()}
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def say_which_gpu(job: tuple[Path, str]) -> str:
    die_once(job)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_a_worker_that_dies_is_replaced_on_its_gpu_and_its_job_tried_again(tmp_path: Path) -> None:
    gpus = run_pool(jobs(tmp_path), say_which_gpu, workers=2, title="", gpus=["2", "7"])
    assert done(tmp_path) == list("012345")
    assert len(gpus) == 6
    assert set(gpus) == {"2", "7"}, "each has one; the new one takes over that of the dead one"


def test_a_job_that_kills_its_workers_does_not_stop_the_others(tmp_path: Path) -> None:
    reasons = run_pool(jobs(tmp_path), die_always, workers=2, title="")
    assert done(tmp_path) == list("01345")
    assert reasons.pop(2) == "Its process died 2 times (signal 9). Was there enough memory?"
    assert reasons == [""] * 5


def complain(job: tuple[Path, str]) -> str:
    return f"{job[1]} went wrong" if job[1] in "14" else note(job)


def test_what_went_wrong_comes_back_with_its_job(tmp_path: Path) -> None:
    reasons = run_pool(jobs(tmp_path), complain, workers=2, title="")
    assert reasons == ["", "1 went wrong", "", "", "4 went wrong", ""]


def sleep_long(job: tuple[Path, str]) -> str:
    note(job)
    time.sleep(60)
    return ""


def test_an_interrupt_ends_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        while len(done(tmp_path)) < 2:
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr("robust.sweep.pool._heard_from", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_pool(jobs(tmp_path), sleep_long, workers=2, title="")
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name.split("-")[1]), 0)


def test_workers_end_when_the_command_is_killed(tmp_path: Path) -> None:
    given = {"jobs": jobs(tmp_path), "do": sleep_long, "workers": 2, "title": ""}
    command = fresh_processes().Process(target=run_pool, kwargs=given)
    command.start()
    _until(lambda: len(done(tmp_path)) == 2)
    command.kill()
    command.join()
    workers = [int(path.name.split("-")[1]) for path in tmp_path.iterdir()]
    _until(lambda: not any(psutil.pid_exists(worker) for worker in workers))


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)
