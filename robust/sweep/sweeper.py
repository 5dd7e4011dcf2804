"""Doing a sweep: plan it, launch what is left, show what came out."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf
from rich.console import Console

from robust.errors import FailedError, run_command, started
from robust.experiment.again import drop_replaced, made_again, set_aside
from robust.experiment.build import build_tracker
from robust.experiment.conditions import check_used
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.runs import (
    ClaimedError,
    State,
    Status,
    claimed,
    clear,
    collect,
    find_older,
    read_end,
    read_status,
    wait_for_one,
    warnings_of,
    write_status,
)
from robust.runs.config import Config
from robust.sweep.local import gpus_for, run_job, workers_of
from robust.sweep.plan import ancestors, plan, print_plan
from robust.sweep.price import print_price
from robust.track import TrackedRun, opened

if TYPE_CHECKING:
    import pandas as pd

    from robust.report import Section

_FEW = 3  # folders that are named
_ENDED = (State.DONE, State.FAILED)
_NEXT = {  # what a run is for that is trained in such a stage
    "denoise": "restore=denoiser tests networks behind such a one: restore.perturb and restore.level say which",
    "pretrain": "technique=finetune technique.start={run.config.task.name} starts from such a one",
}
_MEASURED = "the same command with evaluation=camera, or another, measures it"


def sweep(
    jobs: Sequence[list[str]], launch: Callable[[list[list[str]]], Sequence[str]], *, elsewhere: bool = False
) -> None:
    """Plans all runs, launches what is not done, ends with a table and a page. Raises FailedError if one failed.

    `launch` does the runs of these overrides, here or `elsewhere`, and returns what went wrong with each ("" for
    nothing).
    """
    planned = plan(jobs, elsewhere=elsewhere)
    _tell_of_older(planned)
    if any(run.is_shared for run in planned):
        raise ValueError(
            "Processes that `srun` started train one model together (trainer.devices); a sweep is many. Give it "
            "hydra/launcher=slurm, or scripts/slurm/node.sh."
        )
    print_plan(statuses := _look_at(planned))
    if any(run.config.plan for run in planned):
        devices = 1 if elsewhere else max(1, len(gpus_for([list(planned[0].overrides)])))
        _print_price(statuses, workers=devices * workers_of(planned[0].config.pack))
        return
    _say(set_aside(made_again(planned)))
    left = [run for run in planned if run.status().state is not State.DONE]
    before: dict[Experiment, Status] = {}
    while left and (now := _look_at(_with_ancestors(left))) != before:  # what nothing moves `finish` names
        free = [run for run in left if all(now[one].state is not State.RUNNING for one in _with_ancestors([run]))]
        reasons = dict(zip(free, launch([list(run.overrides) for run in free]), strict=True)) if free else {}
        if not free:
            _wait_for_others(left)
        _record(reasons)
        before, left = now, [run for run in left if not (reasons.get(run) or _has_ended(run, since=now[run]))]
    finish(planned)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        Console().print(line, markup=False, soft_wrap=True)


def _look_at(runs: Iterable[Experiment]) -> dict[Experiment, Status]:
    return {run: run.status() for run in runs}


def _print_price(statuses: Mapping[Experiment, Status], *, workers: int) -> None:
    """Says what is left of these runs, and of those that they start from, will cost."""
    others = _look_at(run for run in _with_ancestors(statuses) if run not in statuses)
    print_price(
        (run for run, status in {**statuses, **others}.items() if status.state is not State.DONE), workers=workers
    )


def _with_ancestors(runs: Iterable[Experiment]) -> list[Experiment]:
    """These runs and all that they start from, each once."""
    return list(dict.fromkeys(one for run in runs for one in (run, *ancestors(run))))


def _tell_of_older(runs: Sequence[Experiment]) -> None:
    """Says which runs of an older version lie where these will, and are not gone on with."""
    for runs_dir in dict.fromkeys(run.folder.parent for run in runs):
        names = [run.folder.name for run in runs if run.folder.parent == runs_dir]
        if older := find_older(runs_dir, names):
            named = ", ".join(sorted(folder.name for folder in older)[:_FEW])
            Console().print(
                f"{len(older)} runs in {runs_dir} were made by an older version of robust, in which the same settings "
                f"made another run, and are not gone on with: {named}{', ...' if len(older) > _FEW else ''}",
                markup=False,
                soft_wrap=True,
            )


def _has_ended(run: Experiment, *, since: Status) -> bool:
    """Whether a run is done or failed since it was looked at; one that had failed before is to be tried again."""
    status = run.status()
    return status.state in _ENDED and status != since


def _record(reasons: Mapping[Experiment, str]) -> None:
    """Keeps what went wrong with runs that could not record it themselves: they never started, or their process
    died."""
    for run, reason in reasons.items():
        status = read_status(run.folder)  # what is trained and was tested otherwise stays done
        if reason and status.state not in (State.DONE, State.RUNNING) and status.reason != reason:
            with contextlib.suppress(ClaimedError), claimed(run.folder):
                ended = read_end(run.folder)  # again: somebody may have finished it since
                if not ended or ended.state is not State.DONE:
                    identity = run.identity.as_dict()
                    write_status(run.folder, State.FAILED, reason=reason, durations_s={}, identity=identity)


def _wait_for_others(runs: Iterable[Experiment]) -> None:
    """Waits until one of these runs, or of those they start from, that is under way in another process no longer is:
    done, failed, or left by a process that died."""
    wait_for_one(run.folder for run, status in _look_at(_with_ancestors(runs)).items() if status.state is State.RUNNING)


@started()
def finish(runs: Sequence[Experiment]) -> None:
    """The results of these runs, in the terminal and as a page. Raises FailedError if one is not done."""
    # These draw: a second that training need not wait for.
    from robust.page import brief, write_report
    from robust.report import print_attacks, print_results, sections

    for run in _with_ancestors(runs):
        clear(run.folder)
    drop_replaced(runs)
    statuses = _look_at(runs)
    measured = [run.folder for run, status in statuses.items() if status.state is State.DONE and run.conditions]
    if measured:
        rows = collect(measured)
        print_results(rows, measured)
        print_attacks(measured)
        found = sections(measured, rows)
        page = write_report(measured, found=found)
        if len(runs) > 1:
            said = brief(rows, measured).table()
            _track_report(runs[0].config, found, said, page, measured)
        Console().print(f"page: {page}", soft_wrap=True, markup=False)
        if look := runs[0].config.logger.get("look"):
            Console().print(f"tracked: {look}", soft_wrap=True, markup=False)
    elif all(status.state is State.DONE for status in statuses.values()):
        _say(f"done, not measured: {run.folder}" for run in runs)
        _say(dict.fromkeys(_NEXT.get(run.config.task.stage, _MEASURED).format(run=run) for run in runs))
    for text in warnings_of(run.folder for run in runs):
        Console(stderr=True).print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)
    if undone := {run: status for run, status in statuses.items() if status.state is not State.DONE}:
        print_plan(statuses)
        raise FailedError(*(_describe(run, status) for run, status in undone.items()))


def _track_report(
    config: Config, sections: "Sequence[Section]", said: "pd.DataFrame", page: Path, measured: Sequence[Path]
) -> None:
    """Tells the tracker of a sweep what its report says, as a run of its own."""
    name = config.select("sweep.name", config.data.name)
    settings = {"runs": [folder.name for folder in measured]}
    about = TrackedRun(page.parent, f"report of {name}", "report", [config.data.name], settings)
    tracker = build_tracker(config.logger, about)
    if not tracker.shows:
        return
    with opened(tracker):
        tracker.log_tables({"findings": said})
        for section in sections:
            tracker.log_tables({name: table.numbers for name, table in section.tables.items()})
            tracker.log_pictures(section.drawings)
        tracker.log_page(page.read_text())


def _describe(run: Experiment, status: Status) -> str:
    seed = f" (seed {run.identity.seed})"
    return f"{run.title}{seed} {status.state}: {status.reason or 'no reason known'} [{run.files.log}]"


def run_task() -> str:
    """What Hydra calls: a run by itself, or one of a multirun; returns what went wrong with the latter."""
    hydra_config = HydraConfig.get()
    typed: Any = OmegaConf.to_container(hydra_config.overrides.task)  # with ${...} in it as it is
    overrides = [str(one) for one in typed]
    if hydra_config.mode is RunMode.MULTIRUN:
        return run_job(overrides, since=time.time())
    launcher = hydra_config.runtime.choices["hydra/launcher"]
    run_command(lambda: run_alone(overrides, launcher))  # not raised through Hydra, which would add its own words
    return ""


def run_alone(overrides: Sequence[str], launcher: str = "robust") -> None:
    """One run by itself, here, with its table and its page. Raises ValueError for a `launcher` of many."""
    if launcher != "robust":
        raise ValueError(f"`hydra/launcher={launcher}` launches multiruns: give -m too, also for a single run.")
    run = prepare(overrides)
    check_used(overrides, [run.config])
    _tell_of_older([run])
    if run.config.plan:
        print_plan(statuses := _look_at([run]))
        _print_price(statuses, workers=1)
        return
    if not run.rank:
        _say(set_aside(made_again([run])))
    execute(run)
    if not run.rank:
        finish([run])
