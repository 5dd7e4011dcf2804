"""Many runs on a cluster: each a job of a Slurm array, through submitit."""

import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import submitit
from submitit.core.utils import pickle_load
from submitit.helpers import DelayedSubmission
from tqdm.auto import tqdm

from robust.configuration import compose
from robust.sweep.sweeper import run_job

_LOOK_S = 5.0  # between two looks at the queue
_GRACE_S = 15.0  # in which the result of a job that has left the queue may still appear on a shared disk
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
)


@dataclass(frozen=True)
class SlurmJob:
    """What a job does: the run of some overrides. Told to make room, or at its time limit, it is queued again, and the
    run goes on from its last checkpoint."""

    command: list[str]  # that these jobs come from
    begun: float  # when that was

    def __call__(self, overrides: list[str]) -> str:
        sys.argv = self.command  # as in a worker process, for what a run records
        return run_job(compose(overrides), since=self.begun)

    def checkpoint(self, overrides: list[str]) -> DelayedSubmission:
        """What submitit queues instead of what it interrupts."""
        return DelayedSubmission(self, overrides)


def launch_on_slurm(jobs: Sequence[list[str]], settings: Mapping[str, Any]) -> list[str]:
    """Does the runs of these overrides as Slurm jobs; returns what went wrong with each, "" for nothing.

    Runs that start from others' weights wait until the natural runs and the stages among these are through. `settings`
    are those of `conf/hydra/launcher/slurm.yaml`. Raises ValueError where Slurm does not take the jobs.
    """
    threads = settings.get("cpus_per_task")
    orders, children, parents = [], [], []
    for place, job in enumerate(jobs):
        config = compose(job)
        _check_time(settings, config.trainer.checkpoint_every_s)
        keep = threads is None or config.trainer.threads is not None
        orders.append(job if keep else [*job, f"trainer.threads={threads}"])
        if config.task.start or (config.technique.start is not None and not config.as_reference):
            children.append(place)
        elif config.as_reference or not config.task.tested:
            parents.append(place)
    others = [place for place in range(len(jobs)) if place not in set(children)]
    sent = _submit(others, orders, settings)
    try:
        sent |= _submit(children, orders, settings, after=[sent[place].job_id for place in parents])
        return _watch([sent[place] for place in range(len(jobs))])
    except BaseException:
        ids = " ".join(dict.fromkeys(job.job_id.split("_")[0] for job in sent.values()))
        if ids:
            sys.stderr.write(f"\nThe Slurm jobs go on without this command; `scancel {ids}` stops them.\n")
        raise


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
    places: Sequence[int], orders: Sequence[list[str]], settings: Mapping[str, Any], after: Sequence[str] = ()
) -> dict[int, submitit.Job[str]]:
    """Queues the orders of these places as one array; `after` are jobs that have to end before."""
    if not places:
        return {}
    executor = _make_executor(settings, after)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # what sbatch says is in the error
            jobs = executor.map_array(SlurmJob(sys.argv, time.time()), [orders[place] for place in places])
    except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError) as error:
        raise ValueError(
            f"Slurm did not take the jobs: {_said(error)}. Their settings are hydra.launcher.*: "
            "`python train.py hydra/launcher=slurm --cfg hydra -p hydra.launcher` lists them."
        ) from error
    return dict(zip(places, jobs, strict=True))


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
            "Log in where jobs are submitted, or leave it out: `workers=N` does N runs at a time here."
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


def _watch(jobs: Sequence[submitit.Job[str]]) -> list[str]:
    """Waits until every job has ended, and says what went wrong with each.

    A job's result is what it wrote; one that ended without any was killed, which only the queue knows.
    """
    reasons: dict[int, str] = {}
    gone: dict[int, float] = {}
    with tqdm(total=len(jobs), desc="all runs", unit="run", disable=None) as bar:
        while True:
            states = _ask_slurm()
            for folder in {job.paths.folder for job in jobs}:
                folder.chmod(folder.stat().st_mode)  # so that a network's file system looks again
            for place, job in enumerate(jobs):
                state = None if states is None else states.get(job.job_id, "gone")
                if place in reasons:
                    continue
                if job.paths.result_pickle.is_file():
                    reasons[place] = _read(job)
                elif state not in ("gone", *_ENDED):
                    gone.pop(place, None)
                elif time.monotonic() - gone.setdefault(place, time.monotonic()) >= _GRACE_S:
                    reasons[place] = f"Slurm job {job.job_id} ended without a result ({state}) [{job.paths.stdout}]"
            bar.update(len(reasons) - bar.n)
            active = [state for state in (states or {}).values() if state not in _ENDED]
            waiting = sum(state in _WAITING for state in active)
            bar.set_postfix(running=len(active) - waiting, waiting=waiting, failed=sum(map(bool, reasons.values())))
            if len(reasons) == len(jobs):
                return [reasons[place] for place in range(len(jobs))]
            time.sleep(_LOOK_S)


def _ask_slurm() -> dict[str, str] | None:
    """The state of all jobs of this user that Slurm still knows, by id; None where it does not answer just now."""
    ask = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split(maxsplit=1) for line in answer.splitlines())


def _read(job: submitit.Job[str]) -> str:
    """What a job that ended by itself says went wrong."""
    outcome, result = pickle_load(job.paths.result_pickle)
    if outcome == "success":
        return result
    return f"{str(result).strip().splitlines()[-1]} [{job.paths.stdout}]"
