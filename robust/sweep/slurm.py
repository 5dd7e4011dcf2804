"""Many runs on a cluster: some to each job of a Slurm array, through submitit."""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import pickle_load
from submitit.helpers import DelayedSubmission
from tqdm.auto import tqdm

from robust.experiment.compose import compose
from robust.experiment.parents import starts
from robust.experiment.search_path import VARIABLE as PROJECTS
from robust.experiment.threads import AUTO
from robust.files.claiming import say
from robust.runs.config import Config
from robust.sweep.local import launch
from robust.sweep.tune import MOST

_LOOK_S = 5.0  # between two looks at the queue
_TELL_S = 60.0  # at least, between two sentences about what is waited for
_GRACE_S = 15.0  # in which the result of a job that has left the queue may still appear on a shared disk
_NUMBERS = (
    *("array_parallelism", "cpus_per_task", "gpus_per_node", "max_num_timeout", "nodes"),
    *("signal_delay_s", "tasks_per_node", "timeout_min"),
)
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
)


@dataclass(frozen=True)
class SlurmJob:
    """What a job does: the runs of some lists of overrides, `pack` at a time. Told to make room, or at its time limit,
    it is queued again, and the runs go on from their last checkpoints."""

    command: list[str]  # that these jobs come from
    begun: float  # when that was
    pack: int | str = 1
    projects: str = ""  # where configurations of the user's own lie
    where: str = "."  # what relative paths begin from

    def __call__(self, orders: list[list[str]]) -> list[str]:
        sys.argv = self.command  # as in a worker process, for what a run records
        os.environ[PROJECTS] = self.projects
        os.chdir(self.where)
        return launch(orders, pack=self.pack, since=self.begun)

    def checkpoint(self, orders: list[list[str]]) -> DelayedSubmission:
        """What submitit queues instead of what it interrupts."""
        return DelayedSubmission(self, orders)


def launch_on_slurm(jobs: Sequence[list[str]], settings: Mapping[str, Any], *, pack: int | str = 1) -> list[str]:
    """Does the runs of these overrides as Slurm jobs of `pack` runs each; returns what went wrong with each run, ""
    for nothing.

    Runs that start from others' weights wait until the natural runs and the stages among these are through. `settings`
    are those of `conf/hydra/launcher/slurm.yaml`. Raises ValueError where Slurm does not take the jobs.
    """
    _check_numbers(settings)
    threads, size = settings.get("cpus_per_task"), MOST if isinstance(pack, str) else pack
    orders, children = [], []
    configs = [compose(job) for job in jobs]
    for place, (job, config) in enumerate(zip(jobs, configs, strict=True)):
        _check_time(settings, config.trainer.checkpoint_every_s)
        if threads is not None and config.trainer.threads in AUTO:
            job = [*job, f"trainer.threads={max(1, threads // size)}"]
        orders.append(job)
        if config.task.start or config.technique.start is not None:
            children.append(place)
    started = {_trained(compose(one)) for place in children for one in starts(jobs[place], configs[place]).values()}
    parents = [place for place, config in enumerate(configs) if _trained(config) in started]
    others = sorted({*range(len(jobs))} - {*children})
    first, second = _in_packs(others, size), _in_packs(children, size)
    sent = _submit([[orders[place] for place in some] for some in first], settings, pack)
    try:
        before = [job.job_id for some, job in zip(first, sent, strict=True) if not set(some).isdisjoint(parents)]
        sent += _submit([[orders[place] for place in some] for some in second], settings, pack, after=before)
        packs = [*first, *second]
        reasons = itertools.chain(*_watch(sent, [len(some) for some in packs]))
        found = dict(zip(itertools.chain(*packs), reasons, strict=True))
        return [found[place] for place in range(len(jobs))]
    except BaseException:
        ids = " ".join(dict.fromkeys(job.job_id.split("_")[0] for job in sent))
        if ids:
            sys.stderr.write(f"\nThe Slurm jobs go on without this command; `scancel {ids}` stops them.\n")
        raise


def _trained(config: Config) -> str:
    """What a configuration says of the training."""
    return json.dumps(config.without(["attack", "evaluation", "logger", "parent"]), sort_keys=True)


def _in_packs(places: Sequence[int], size: int) -> list[list[int]]:
    return [list(places[start : start + size]) for start in range(0, len(places), size)]


def _check_numbers(settings: Mapping[str, Any]) -> None:
    for name in _NUMBERS:
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ValueError(f"`hydra.launcher.{name}` must be a whole number >= 0; got {value}.")


def _check_time(settings: Mapping[str, Any], checkpoint_every_s: float) -> None:
    """Raises ValueError where jobs would be queued again and again without having kept anything."""
    minutes, before = settings.get("timeout_min"), settings.get("signal_delay_s") or 0
    if minutes is not None and 60 * minutes - before <= checkpoint_every_s:
        raise ValueError(
            f"`hydra.launcher.timeout_min` must give a job time for a checkpoint, which is kept every "
            f"{checkpoint_every_s:g} s; got {minutes:g}, of which {before:g} s are for ending. Give jobs more time, or "
            "set trainer.checkpoint_every_s lower."
        )


def _submit(
    packs: Sequence[list[list[str]]], settings: Mapping[str, Any], pack: int | str, after: Sequence[str] = ()
) -> list[submitit.Job[list[str]]]:
    """Queues jobs, each of the runs of some overrides, as one array; `after` are jobs that have to end before."""
    if not packs:
        return []
    executor = _make_executor(settings, after)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # what sbatch says is in the error
            return executor.map_array(
                SlurmJob(sys.argv, time.time(), pack, os.environ.get(PROJECTS, ""), str(Path.cwd())), packs
            )
    except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError) as error:
        raise ValueError(
            f"Slurm did not take the jobs: {_said(error)}. Their settings are hydra.launcher.*: "
            "`robust train hydra/launcher=slurm --cfg hydra -p hydra.launcher` lists them."
        ) from error


def _make_executor(settings: Mapping[str, Any], after: Sequence[str]) -> submitit.AutoExecutor:
    general = ("cpus_per_task", "gpus_per_node", "mem_gb", "name", "nodes", "stderr_to_stdout", "tasks_per_node")
    given = {name: value for name, value in settings.items() if value is not None}
    folder, timeouts = given.pop("submitit_folder"), given.pop("max_num_timeout")
    if after:
        given["additional_parameters"] = {
            **given.get("additional_parameters", {}),
            "dependency": ":".join(["afterany", *after]),
        }
    try:
        executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=timeouts)
    except RuntimeError as error:
        raise ValueError(
            "`hydra/launcher=slurm` needs Slurm's commands (sbatch, srun, squeue); this machine has none. "
            "Log in where jobs are submitted, or leave it out: `pack=N` does N runs at a time here."
        ) from error
    named = {name if name in (*general, "timeout_min") else f"slurm_{name}": value for name, value in given.items()}
    if "cpus_per_task" in named:  # which a job's step does not take over in every version of Slurm
        named["slurm_srun_args"] = [f"--cpus-per-task={named['cpus_per_task']}"]
    executor.update_parameters(**named)
    return executor


def _said(error: Exception) -> str:
    """What sbatch complained about."""
    lines = [line.strip() for line in str(getattr(error, "stderr", None) or error).splitlines()]
    told = [line.removeprefix("sbatch: error: ") for line in lines if line.startswith("sbatch: error: ")]
    return "; ".join(told or lines[-1:]).rstrip(".")


def _watch(jobs: Sequence[submitit.Job[list[str]]], runs: Sequence[int]) -> list[list[str]]:
    """Waits until every job, of so many `runs`, has ended, and says what went wrong with each run.

    A job's result is what it wrote; one that ended without any was killed, which only the queue knows.
    """
    reasons: dict[int, list[str]] = {}
    gone: dict[int, float] = {}
    ids = ", ".join(dict.fromkeys(job.job_id.split("_")[0] for job in jobs))
    told, next_word = "", time.monotonic()
    with tqdm(total=sum(runs), desc="all runs", unit="run", disable=None) as bar:
        while True:
            states = _ask_slurm()
            for folder in {job.paths.folder for job in jobs}:
                folder.chmod(folder.stat().st_mode)  # so that a network's file system looks again
            for place, job in enumerate(jobs):
                state = None if states is None else states.get(job.job_id, "gone")
                if place in reasons:
                    continue
                if job.paths.result_pickle.is_file():
                    reasons[place] = _read(job, runs[place])
                elif state not in ("gone", *_ENDED):
                    gone.pop(place, None)
                elif time.monotonic() - gone.setdefault(place, time.monotonic()) >= _GRACE_S:
                    said = f"Slurm job {job.job_id} ended without a result ({state}) [{job.paths.stdout}]"
                    reasons[place] = [said] * runs[place]
            bar.update(sum(map(len, reasons.values())) - bar.n)
            waiting, running = _counts(jobs, states or {})
            failed = sum(map(bool, itertools.chain(*reasons.values())))
            bar.set_postfix(jobs_running=running, jobs_waiting=waiting, failed=failed)
            if len(reasons) == len(jobs):
                return [reasons[place] for place in range(len(jobs))]
            now = f"{waiting} in the queue, {running} running, {len(reasons)} through"
            word = "squeue does not answer" if states is None else now
            if word != told and time.monotonic() >= next_word:
                say(f"waiting for the Slurm jobs {ids}: {word}")
                told, next_word = word, time.monotonic() + _TELL_S
            time.sleep(_LOOK_S)


def _counts(jobs: Sequence[submitit.Job[list[str]]], states: Mapping[str, str]) -> tuple[int, int]:
    """How many of these jobs are in the queue, and how many are running."""
    active = [state for job in jobs if (state := states.get(job.job_id, "gone")) not in ("gone", *_ENDED)]
    waiting = sum(state in _WAITING for state in active)
    return waiting, len(active) - waiting


def _ask_slurm() -> dict[str, str] | None:
    """The state of all jobs of this user that Slurm still knows, by id; None where it does not answer just now."""
    ask = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split(maxsplit=1) for line in answer.splitlines())


def _read(job: submitit.Job[list[str]], runs: int) -> list[str]:
    """What a job that ended by itself says went wrong with each of its runs."""
    outcome, result = pickle_load(job.paths.result_pickle)
    if outcome == "success":
        return list(result)
    return [f"{str(result).strip().splitlines()[-1]} [{job.paths.stdout}]"] * runs
