"""A search: the most robust of many recipes within a budget, found on validation images, then tested."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from robust.errors import FailedError, check, require
from robust.experiment.compose import compose
from robust.files.claiming import wait_for
from robust.runs import Config, code_version
from robust.runs.identity import counts
from robust.runs.searches import SearchFolder, front
from robust.sweep.jobs import Dimension, Interval, Space, points
from robust.sweep.local import gpus_for, workers_of
from robust.sweep.plan import plan
from robust.sweep.suggest import is_choice, telling
from robust.sweep.sweeper import sweep
from robust.sweep.tries import AT, validation_conditions
from robust.sweep.tune import MOST

_BUDGETS = ("minutes", "joules", "runs")
_CHANGES = ("at", *_BUDGETS, "workers")  # what may be other when a search goes on


def search(
    spaces: Sequence[Space], launch: Callable[[list[list[str]]], Sequence[str]], *, elsewhere: bool = False
) -> None:
    """Tries recipes of these spaces within the budget that `sweep.search` gives, and tests the best as a sweep does.

    `launch` and `elsewhere` as in `sweep`. Raises ValueError for what cannot be searched, FailedError where no recipe
    came to its end.
    """
    require("optuna", what="A search", extra="search")
    jobs = points([[_ends(one) for one in space] for space in spaces])
    config = compose(jobs[0])
    settings = Config({**compose(["sweep=search"]).sweep.search, **config.sweep.search})
    _check(spaces, jobs, config, settings)
    _check_runs(jobs, settings, elsewhere=elsewhere)
    weighing = [[one for one in space if _weighs(one, config)] for space in spaces]
    around = [[word for one in space if not _weighs(one, config) for word in _ends(one)] for space in spaces]
    objective = [settings.objective] if isinstance(settings.objective, str) else settings.objective
    size = None if any(isinstance(one, Interval) for space in spaces for one in space) else len(jobs)
    about = {**settings.plain(), "objective": objective, "size": size, "spaces": weighing, "around": around}
    about["among"] = [
        " ".join(map(_listed, itertools.compress(*one))) for one in zip(weighing, telling(weighing), strict=True)
    ]
    files = SearchFolder.named(Path(config.runs_dir), _digest([weighing, settings.without(_CHANGES)]))
    _say(about, files)
    if config.plan:
        return
    files.write_settings(about)
    devices = max(1, len(gpus_for(jobs[:1])))
    workers = settings.workers or (MOST if config.pack == "auto" else workers_of(config.pack) * devices)
    while True:
        if failed := list(filter(None, launch([[*jobs[0], f"{AT}{files.path.name}"]] * workers))):
            raise FailedError(*dict.fromkeys(failed))
        if not (others := files.under_way()):
            break
        wait_for(others, code_version())
    _say(about, files)
    if not (best := front(files.trials(), objective)):
        raise FailedError(
            "No recipe was trained to its end. Give the same command more minutes, joules or runs (sweep.search)."
        )
    sweep([[*one.job, *around[one.space]] for one in best], launch, elsewhere=elsewhere)


def _listed(dimension: Dimension) -> str:
    """A dimension as the command line has it."""
    if isinstance(dimension, Interval):
        return str(dimension)
    return ",".join([dimension[0], *(one.partition("=")[2] for one in dimension[1:])])


def _ends(dimension: Dimension) -> list[str]:
    """What is checked before a search begins: what is listed, and an interval's ends."""
    if isinstance(dimension, Interval):
        return [dimension.override(one) for one in (dimension.low, dimension.high)]
    return dimension


def _check(spaces: Sequence[Space], jobs: Sequence[Sequence[str]], config: Config, settings: Config) -> None:
    """Raises ValueError where there is nothing to search, no budget, or chance would be searched."""
    if len(jobs) == 1:
        raise ValueError(
            "A search must have recipes to choose from; got one. List values (technique=natural,augmix), or give an "
            'interval (optimizer.lr="tag(log, interval(0.001, 0.1))").'
        )
    budget, advice = any(settings[name] is not None for name in _BUDGETS), "sweep.search.minutes=30 ends a search."
    check("sweep.search.minutes", None, "given, or sweep.search.joules or sweep.search.runs", budget, advice)
    for dimension in (one for space in spaces for one in space if is_choice(one)):
        if _key(dimension) == "seed" or not _weighs(dimension, config):
            raise ValueError(
                f"`{_key(dimension)}` must have one value in a search: recipes that differ by that alone are one. "
                "Train the best with several seeds afterwards."
            )


def _check_runs(jobs: Sequence[Sequence[str]], settings: Config, *, elsewhere: bool) -> None:
    """Raises ValueError unless all these recipes can be trained, and measured on validation images."""
    for run in plan([list(job) for job in jobs], elsewhere=elsewhere):
        images, config = run.splits.validation, run.config
        advice = "A search chooses by validation images: data.validation=0.2."
        check("data.validation", None, "given in a search", images is not None, advice)
        check("trainer.devices", config.trainer.devices, "1 in a search", config.trainer.devices == 1)
        assert images is not None
        found = validation_conditions(config, settings.under or {}, images.shape)
        check("sweep.search.under", None, "levels of at least one perturbation", len(found) > 1)


def _key(dimension: Dimension) -> str:
    return (dimension.key if isinstance(dimension, Interval) else dimension[0].partition("=")[0]).lstrip("+~")


def _weighs(dimension: Dimension, config: Config) -> bool:
    """Whether another value of it may make another recipe."""
    key = _key(dimension)
    return counts(key, config) or key == "sweep" or key.partition(".")[0] in ("camera", "parent", "recipe")


def _digest(about: object) -> str:
    """What tells searches apart: the recipes, and how they are judged."""
    return hashlib.sha256(json.dumps(about, default=dataclasses.asdict).encode()).hexdigest()[:8]


def _say(about: Mapping[str, Any], files: SearchFolder) -> None:
    """Says what is searched, how far that is, and what is best."""
    from robust.report import search_lines

    Console().print("\n".join(search_lines(about, files.trials())), markup=False, highlight=False, soft_wrap=True)
