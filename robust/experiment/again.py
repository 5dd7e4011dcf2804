"""Runs that are made again (`force=true`): what a finished one had lies aside until the new one is done."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from robust.experiment.experiment import Experiment
from robust.runs import State, read_status

#: beside the runs' folders: what those had that are being made again
REPLACED = "replaced"


def made_again(runs: Iterable[Experiment]) -> list[Experiment]:
    """Those of these runs that are done and asked for again."""
    return [run for run in runs if run.config.force and read_status(run.folder).state is State.DONE]


def set_aside(runs: Iterable[Experiment]) -> Iterator[str]:
    """Moves what these runs had to where it waits, so that they begin anew; says of each what happened."""
    for run in runs:
        aside = _aside(run)
        shutil.rmtree(aside, ignore_errors=True)  # of a time before: since then the run was done once more
        aside.parent.mkdir(exist_ok=True)
        run.folder.rename(aside)
        yield f"made again (force=true): {run.folder}; what it had is in {aside} until that is done"


def drop_replaced(runs: Iterable[Experiment]) -> None:
    """Removes what these runs had before, of those that are done."""
    for run in runs:
        aside = _aside(run)
        if aside.is_dir() and read_status(run.folder).state is State.DONE:
            shutil.rmtree(aside)
            if not any(aside.parent.iterdir()):
                aside.parent.rmdir()


def _aside(run: Experiment) -> Path:
    return run.folder.parent / REPLACED / run.folder.name
