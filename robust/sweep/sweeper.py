"""Many runs: which there are, which are done, which are next."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from tqdm.auto import tqdm

from robust.configuration import compose
from robust.errors import FaultsError, one_line, print_error
from robust.prepare import Run, prepare
from robust.run import execute
from robust.runs import State, Status, collect
from robust.sweep.workers import work_off

_Parse = Callable[[list[str]], list[Override]]


def list_jobs(products: Sequence[Mapping[str, Any]], arguments: Sequence[str], parse: _Parse) -> list[list[str]]:
    """The overrides of every run of a sweep: its products, and with each the product of what the command line lists.

    Of a key that the sweep's products name, the command line's values select: products without it, and other values,
    fall away. Raises ValueError if nothing is left.
    """
    named = {key for one in products for key in one}
    selecting = [one for one in arguments if one.partition("=")[0] in named]
    further = expand(parse([one for one in arguments if one not in selecting]))
    own = [job for one in products for job in expand(parse([f"{key}={value}" for key, value in one.items()]))]
    for argument in selecting:
        wanted = {_as_value(value) for (value,) in expand(parse([argument]))}
        kept = [job for job in own if wanted & set(map(_as_value, job))]
        if not kept:
            key = argument.partition("=")[0]
            values = dict.fromkeys(one.partition("=")[2] for job in own for one in job if one.startswith(f"{key}="))
            raise ValueError(f"`{argument}` selects no run of this sweep; it has {key}={','.join(values)}.")
        own = kept
    return [[*job, *more] for job in own for more in further]


def _as_value(override: str) -> tuple[str, str | float]:
    key, _, value = override.partition("=")
    try:
        return key, float(value)
    except ValueError:
        return key, value


def expand(overrides: Iterable[Override]) -> list[list[str]]:
    """The product of all values that the command line lists, as lists of overrides with one value each."""
    choices = []
    for override in overrides:
        key = override.get_key_element()
        values = (
            override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_element_as_str()]
        )
        choices.append([key if override.is_delete() else f"{key}={value}" for value in values])
    return [list(job) for job in itertools.product(*choices)]


def plan(jobs: Sequence[list[str]]) -> dict[Run, list[str]]:
    """Every run once, checked, with its overrides; first the natural runs that the others are held against.

    These are tested under every family that one of the others is. Raises FaultsError naming all that is wrong.
    """
    families: dict[str, None] = {}
    references: dict[Path, list[str]] = {}
    runs: dict[Path, tuple[Run, list[str]]] = {}
    faults: dict[str, None] = {}
    for job in tqdm(jobs, desc="checking", unit="run", delay=2, leave=False, disable=None):
        try:
            run = prepare(compose(job))
        except (ValueError, OSError, HydraException, OmegaConfBaseException) as error:
            shown = " ".join(job)
            faults[f"{one_line(error)}{f' [{shown}]' if len(jobs) > 1 else ''}"] = None
            continue
        runs.setdefault(run.folder, (run, job))
        references.setdefault(run.folder.parent / run.reference, job)
        own = run.config.perturb.family if run.config.evaluation.own_family else None
        families.update(dict.fromkeys([*run.config.evaluation.families, *([own] if own else [])]))
    if faults:
        raise FaultsError(faults)
    first = {}
    for folder, job in references.items():
        asked = runs[folder][1] if folder in runs else job
        natural = [*asked, "as_reference=true", f"evaluation.families=[{','.join(families)}]"]
        first[folder] = (prepare(compose(natural)), natural)
    return dict({**first, **{folder: pair for folder, pair in runs.items() if folder not in first}}.values())


def sweep(jobs: Sequence[list[str]], launch: Callable[[list[list[str]]], object]) -> None:
    """Plans all runs, launches what is not done, ends with a table and a page. Raises FaultsError if one failed."""
    planned = plan(jobs)
    runs = list(planned)
    print_plan(runs)
    if any(run.config.plan for run in runs):
        return
    if todo := [job for run, job in planned.items() if run.status.state is not State.DONE]:
        launch(todo)
    finish(runs)


def print_plan(runs: Sequence[Run]) -> None:
    """How many runs are in which state."""
    states = [run.status.state for run in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in State if state in states)
    Console().print(f"{len(runs)} runs: {counts}")


def finish(runs: Sequence[Run]) -> None:
    """The results of these runs, in the terminal and as a page. Raises FaultsError if one is not done."""
    from robust.report import print_results, write_report  # draws: a second that training need not wait for

    statuses = {run: run.status for run in runs}
    measured = [run.folder for run, status in statuses.items() if status.state is State.DONE and run.conditions]
    if measured:
        print_results(collect(measured))
        page = write_report(measured, runs[0].folder / "report" if len(runs) == 1 else None)
        Console().print(f"page: {page}", soft_wrap=True, markup=False)
    elif all(status.state is State.DONE for status in statuses.values()):
        Console().print("\n".join(f"done, not measured: {run.folder}" for run in runs), soft_wrap=True, markup=False)
    if undone := {run: status for run, status in statuses.items() if status.state is not State.DONE}:
        raise FaultsError(_describe(run, status) for run, status in undone.items())


def _describe(run: Run, status: Status) -> str:
    seed = f" (seed {run.identity.seed})"
    return f"{run.identity.title}{seed} {status.state}: {status.reason or 'no reason known'} [{run.folder / 'log.txt'}]"


def run_job(config: DictConfig) -> bool:
    """One run of a sweep, and whether all went well. What fails is recorded in its folder, where the sweep finds it."""
    try:
        return execute(prepare(config)).state is State.DONE
    except Exception as error:  # noqa: BLE001, one run must not end the others
        print_error(error)
        return False


def launch(jobs: Sequence[list[str]], *, workers: int) -> None:
    """Does the runs of these overrides on this machine, `workers` at a time."""
    title = "all runs"
    if workers > 1 and len(jobs) > 1:
        work_off(jobs, _run_beside_others, workers=min(workers, len(jobs)), title=title)
        return
    for job in tqdm(jobs, desc=title, unit="run", disable=None, leave=False):
        run_job(compose(job))


def _run_beside_others(job: list[str]) -> bool:
    config = compose(job)
    config.trainer.progress = False
    if config.trainer.threads is None:
        config.trainer.threads = 1  # as conf/trainer says: several runs would fight over the cores
    return run_job(config)


def run_alone(config: DictConfig) -> None:
    """One run by itself, with its table and its page."""
    run = prepare(config)
    if config.plan:
        print_plan([run])
        return
    execute(run)
    finish([run])
