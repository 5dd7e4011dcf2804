"""The runs of a sweep that train as one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from robust.errors import print_error
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import Preparation
from robust.experiment.stacked import stack_key, train_stack
from robust.runs import State
from robust.sweep.tune import MOST


def train_stacks(jobs: Sequence[list[str]], *, since: float) -> dict[tuple[str, ...], str]:
    """Trains those runs of these overrides, of a sweep that began at the time `since`, that can train as one, up to 16
    at a time; each is then to be measured, and what could not be trained so trains by itself. Returns what went wrong
    with those that diverged, by their overrides."""
    reasons: dict[tuple[str, ...], str] = {}
    for runs in _stacks(jobs):
        try:
            for parent in {one.folder: one for run in runs for one in run.parents.values()}.values():
                if not parent.files.model.is_file():
                    execute(parent, since=since, patient=False)
            if len(left := [run for run in runs if not run.files.model.is_file()]) > 1:
                reasons |= {run.overrides: reason for run, reason in train_stack(left).items()}
        except Exception as error:  # noqa: BLE001, alone they may do better
            print_error(error)
    return reasons


def _stacks(jobs: Sequence[list[str]]) -> Iterator[list[Experiment]]:
    preparation, alike = Preparation(), defaultdict[str, list[Experiment]](list)
    for run in map(preparation.prepare, jobs):
        if run.status().state is not State.DONE and (key := stack_key(run)) is not None:
            alike[key].append(run)
    for runs in alike.values():
        yield from (runs[start : start + MOST] for start in range(0, len(runs), MOST))
