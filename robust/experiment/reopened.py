"""Finished runs, of which more is measured."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from robust.errors import FailedError, check
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.runs import RunFolder, State
from robust.runs.config import Config
from robust.runs.identity import counts

_UNKNOWN = object()


def measure_again(runs: Iterable[Experiment], done: str) -> None:
    """Measures of each of these runs what is missing. Raises FailedError, after the others, for those that could not be
    `done`, such as attacked: they stay as they were."""
    failed = []
    for run in runs:
        before = run.files.read_record() or {}
        status = execute(run)
        if status.state is not State.DONE:
            run.files.write_record(before)  # it is as well trained and tested as it was
            failed.append(f"{run.folder} could not be {done}: {status.reason}")
    if failed:
        raise FailedError(*failed)


def other_settings(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Other values for a run's settings, where they do not make it another run."""
    config, changes = RunFolder(folder).read_config(), {}
    for key, value in settings.items():
        known = config.select(key, _UNKNOWN)
        rule = "a setting that the run has, and that does not make it another, such as trainer.threads"
        check(key, value, rule, known is not _UNKNOWN and not isinstance(known, Config) and not counts(key, config))
        changes[key] = value
        within = key.replace("data.", "data.source.", 1)  # a data set's folder stands in both
        if key.startswith("data.") and config.select(within) is not None:
            changes[within] = value
    return changes
