"""Everything that can be checked of runs before the first starts; what several share is built once."""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.data import Splits
from robust.errors import notify, one_line
from robust.experiment.asked import asked
from robust.experiment.build import (
    as_level,
    build_attacks,
    build_optimizer,
    build_perturbation,
    build_schedule,
    build_splits,
    build_task,
    build_tracker,
    build_trainer,
    task_of,
)
from robust.experiment.compose import compose, model_title
from robust.experiment.experiment import Experiment
from robust.experiment.given import given_files
from robust.experiment.parents import NATURAL, is_run, is_self_supervised, learns, natural, starts
from robust.experiment.published import PublishedSets
from robust.experiment.recovered import check_recovered, named, recovers
from robust.experiment.search_path import trust_projects
from robust.experiment.sources import named_sources
from robust.experiment.start import check_start, start_title
from robust.experiment.validate import (
    check_packing,
    check_pretrained,
    check_same_network,
    check_size,
    check_task,
    check_technique,
    check_values,
    check_writable,
)
from robust.files.digest import digest_of
from robust.models import evaluating, published_digest, trunk_of
from robust.perturb import Perturbation
from robust.runs import Config, DamagedError, Identity, RunFolder, State, identify, read_status
from robust.runs.config import check_targets, leaves
from robust.track import TrackedRun

#: of a run that is there: nothing is tested, attacked or tracked again
_QUIET = {
    "attack": {"_target_": None},
    "evaluation.conditions": None,
    "evaluation.published": None,
    "evaluation.distance": False,
    "evaluation.sequences": False,
    "evaluation.tolerance": None,
    "evaluation.temperature": False,
    "logger": {"_target_": "robust.track.Tracker"},
}
_OTHER = "the run that this one"
#: what changes nothing of a network that does not learn
_OF_TRAINING = ("label_smoothing", "lr_scheduler", "optimizer", "trainer")
_BATCHES = ("augment", "batch_size", "drop_last", "labels", "shuffle", "validation")


class Preparation:
    """Prepares runs: each, each that others start from, and each part that several share, once.

    With `elsewhere` not the devices are checked, which another machine has; with `tests` false they only train.
    """

    def __init__(self, *, elsewhere: bool = False, tests: bool = True) -> None:
        trust_projects()
        self.elsewhere, self.tests = elsewhere, tests
        self._known: dict[tuple[str, ...], Experiment] = {}
        self._passed: set[str] = set()
        self._published = PublishedSets()
        self._not_there: dict[str, OSError] = {}

    def prepare(self, overrides: Sequence[str]) -> Experiment:
        """The run that these overrides describe, with everything checked that can be before training. Raises
        ValueError or OSError, with what to do."""
        known = tuple(overrides)  # in this order: of two values the last one holds
        if known not in self._known:
            self._known[known] = self._prepare(tuple(overrides), compose(overrides))
        return self._known[known]

    def _prepare(self, overrides: tuple[str, ...], config: Config) -> Experiment:
        check_packing(config)
        config = config if self.tests else config.changed({name: _QUIET[name] for name in _QUIET if name != "logger"})
        perturbation = build_perturbation(config.perturb)
        check_technique(config, perturbation)
        check_pretrained(config)
        check_recovered(config)
        splits = self._splits(config)
        check_task(config, splits, perturbation, task_of(config))
        conditions, attack_plans = asked(config, splits)
        published = self._published.build(config, splits)
        self._check_surroundings(config)
        identity = _identify(config, perturbation, splits, {})
        alone = Experiment(overrides, config, identity, perturbation, conditions, attack_plans, published)
        self._check_alone(alone, splits)
        if parents := self._parents(overrides, config):
            identity = _identify(config, perturbation, splits, parents)
        run = replace(alone, identity=identity, parents=parents)
        run = replace(run, reference=self._reference(run))
        networks = [one.architecture() for one in parents.values()]
        self._once(lambda: _check_start(run), "start", *_learns(run), *networks)
        return run

    def _splits(self, config: Config) -> Splits:
        """The run's images. A data set that is not there is not looked for again: a download may take long to fail."""
        source = json.dumps(config.data.source)
        if source in self._not_there:
            raise self._not_there[source]
        try:
            return build_splits(config.data, images=config.task.get("images"), seed=config.seed)
        except OSError as error:
            self._not_there[source] = error
            raise

    def _parents(self, overrides: tuple[str, ...], config: Config) -> dict[str, Experiment]:
        """The runs that a run starts from, by the part that takes their weights."""
        if recovers(config) or not is_run(config.technique.start):
            found = starts(overrides, config)
            with _of_another("starts from", config):
                return {part: self.prepare(one) for part, one in found.items()}
        parent = reopen(Path(config.technique.start))
        check_same_network(config, parent.config)
        return {"": parent}

    def _reference(self, run: Experiment) -> Experiment | None:
        """The natural run that a run is compared with; None for itself, as it is for a network that does not learn."""
        config = run.config
        if recovers(config):
            return run.parents[""].reference or run.parents[""]
        if config.technique.name == NATURAL or not learns(config) or not config.task.tested:
            return None
        with _of_another("is compared with", config):
            return self.prepare(natural(run.overrides, config))

    def _check_surroundings(self, config: Config) -> None:
        """What a run needs of the machine: its devices, its tracker, a place for its folder."""
        if not self.elsewhere:
            trainer = functools.partial(build_trainer, config, title="", checkpoint=Path(), callbacks=[])
            self._once(trainer, "trainer", config.trainer)
        self._once(lambda: build_tracker(config.logger, TrackedRun(Path(), "", "")), "logger", config.logger)
        self._once(lambda: check_writable(Path(config.runs_dir)), "runs_dir", config.runs_dir)

    def _check_alone(self, run: Experiment, splits: Splits) -> None:
        """Builds what was not built alike before, so that what does not fit is said now."""
        config = run.config
        with as_level(config.perturb):
            data = run.build_data()
        data.set_shard(0, run.processes)
        for note in data.notes if run.learns else ():
            self._once(functools.partial(notify, note), "note", note)
        self._once(lambda: _check_network(run), "network", *_learns(run))
        one = [nn.Parameter(torch.zeros(1))]  # how many there are is nothing to an optimiser
        self._once(lambda: build_optimizer(config.optimizer, params=one), "optimizer", config.optimizer)
        if run.attack_plans:
            self._once(lambda: _check_attacks(run, splits), "attack", config.attack, run.architecture())

    def _once(self, check: Callable[[], object], *about: Any) -> None:
        """Makes a check, unless it passed before for the same settings."""
        settings = json.dumps(about)
        if settings not in self._passed:
            check()
            self._passed.add(settings)


@contextlib.contextmanager
def _of_another(why: str, config: Config) -> Iterator[None]:
    """Says of what goes wrong inside of which run it is; what `parent` set goes by that name."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = one_line(error)
        if _OTHER in text:
            raise
        for name, _ in leaves(config.parent):
            text = text.replace(f"`{name}`", f"`parent.{name}`")
        raise ValueError(f"{text} That is of {_OTHER} {why}; parent.KEY=VALUE sets it otherwise.") from error


def prepare(overrides: Sequence[str], *, elsewhere: bool = False) -> Experiment:
    """The run that these overrides describe, checked, as `Preparation.prepare` does."""
    return Preparation(elsewhere=elsewhere).prepare(overrides)


def reopen(folder: Path, changes: Mapping[str, Any] | None = None) -> Experiment:
    """The finished run in a folder as it is, with nothing to test; `changes` give other values by dotted key to what
    does not make it another run, such as `attack`. Raises ValueError where it is not finished, or too old."""
    files = RunFolder(folder.absolute())
    if read_status(files.path).state is not State.DONE:
        raise ValueError(f"{folder} must be the folder of a finished run; it is {read_status(files.path).state}.")
    if (identity := files.identity()) is None:
        raise ValueError(f"{folder} was made by an older version of robust, which this one does not go on from.")
    check_targets(read := files.read_config(), files.config)
    config: Config = read.changed({"runs_dir": str(files.path.parent), **_QUIET})
    try:
        check_values(config)
        perturbation = build_perturbation(config.perturb)
    except (ValueError, AttributeError, KeyError, TypeError) as error:  # a setting that no run has, or lacks
        raise DamagedError(files.config, error) from error
    config = config.changed(changes or {})
    check_values(config)
    return Experiment((), config, identity, perturbation, [], build_attacks(config.attack), [], where=files.path)


def _learns(run: Experiment) -> list[Any]:
    """What says which network learns, and how; less the optimiser."""
    config = run.config
    training = [config.lr_scheduler, config.label_smoothing, config.weights]
    return [run.architecture(), config.task, config.technique, *training]


def _check_network(run: Experiment) -> None:
    """Raises ValueError where the network, or how it is to learn, cannot be made."""
    with named(run.config):
        network = _sketched(run)
    check_size(network, run.config.model.name)
    build_task(run.config, network)
    build_schedule(run.config)
    _check_trunk(run)


def _check_attacks(run: Experiment, splits: Splits) -> None:
    """Raises ValueError where an attack cannot be made on the network."""
    network = run.build_network()
    for attack_plan in run.attack_plans:
        try:
            attack_plan.check(network, splits.test)
        except ValueError as error:  # a choice such as autoattack may take another's search
            raise ValueError(re.sub("`attack=[a-z_]+`", f"`attack={attack_plan.name}`", str(error))) from error


def _check_start(run: Experiment) -> None:
    """Raises ValueError where the network does not fit what it starts from."""
    others = {part: one.load().to("meta") if one.where else _sketched(one) for part, one in run.parents.items()}
    if others:
        check_start(run, _sketched(run), others)


def _sketched(run: Experiment) -> nn.Module:
    return run.sketch_network() if run.config.weights is None else run.build_network().to("meta")


def _check_trunk(run: Experiment) -> None:
    """Raises ValueError where the trunk of a network that sees parts of pictures cannot see whole ones."""
    task = run.config.task
    if task.get("network") is None:
        return
    network, shape = run.build_network(), build_splits(run.config.data).test.shape
    try:
        with torch.no_grad(), evaluating(network):
            trunk_of(network)(torch.zeros(1, *shape))
    except RuntimeError as error:
        raise ValueError(
            f"`task={task.name}` needs a trunk that takes pictures of any size, as one of convolutions does; got "
            f"`model={run.config.model.name}` ({one_line(error)})."
        ) from error


def _identify(
    config: Config, perturbation: Perturbation | None, splits: Splits, parents: dict[str, Experiment]
) -> Identity:
    settings = config
    if is_self_supervised(config.task):  # other labels: another data set
        settings = settings.changed({"data.name": f"{config.data.name}_{config.task.name}"})
    if is_run(config.technique.start):  # which one its own identity says
        settings = settings.changed({"technique.start": "run"})
    if not learns(config):
        settings = settings.without(_OF_TRAINING).changed({f"data.{name}": None for name in _BATCHES})
    if settings.weights is not None:
        settings = settings.changed({"weights": published_digest(str(settings.weights))})
    settings = settings.changed({f"model.{name}": digest_of(path) for name, path in given_files(config.model).items()})
    return identify(
        settings,
        model=model_title(config.model),
        perturbation=perturbation.name if perturbation else "none",
        level=perturbation.level if perturbation else 0,
        data_digest=splits.digest,
        parents={part: parent.identity for part, parent in parents.items()},
        start=start_title(config, parents.get("")),
        sources=named_sources(config.without(["attack", "evaluation", "logger"])),
    )
