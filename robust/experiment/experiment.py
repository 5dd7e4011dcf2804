"""A run as its configuration describes it, checked before anything long starts."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.attack import Assault
from robust.data import ImageSet, NaturalAdversarial, PerturbedData, Splits, natural_adversarial
from robust.errors import one_line
from robust.experiment.build import (
    as_level,
    build,
    build_assaults,
    build_conditions,
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
from robust.experiment.parents import is_run, is_self_supervised, natural, starts
from robust.experiment.search_path import trust_projects
from robust.experiment.start import init_from_parents, start_title
from robust.experiment.validate import check_same_network, check_task, check_technique, check_values, check_writable
from robust.learn import count_devices, freeze, is_one_of_several
from robust.measure import Condition, Test, planned_tests
from robust.models import ImagesTooSmallError, evaluating, make_network, published_digest, take_published, trunk_of
from robust.perturb import Perturbation, key
from robust.runs import Identity, RunFolder, State, Status, identify, read_status
from robust.runs.config import Config, leaves
from robust.track import TrackedRun, tracking_key

#: of a run that is there: nothing is tested, attacked or tracked again
_QUIET = {
    "attack": {"_target_": None},
    "evaluation.conditions": None,
    "evaluation.natural_adversarial": None,
    "logger": {"_target_": "robust.track.Tracker"},
}


@dataclass(frozen=True, eq=False)
class Experiment:
    """A run that was checked and can start: what was asked for, its configuration and the parts it describes."""

    overrides: tuple[str, ...]
    config: Config
    identity: Identity
    perturbation: Perturbation | None
    conditions: list[Condition]
    assaults: list[Assault]
    natural_adversarial: NaturalAdversarial | None
    #: the natural run that it is compared with; None for itself
    reference: "Experiment | None" = None
    #: the runs whose weights it starts from, by the part of the network; "" for all but the head
    parents: "dict[str, Experiment]" = field(default_factory=dict)
    #: its folder, where that is not named by what it is
    where: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.where or Path(self.config.runs_dir).absolute() / self.identity.folder

    @property
    def files(self) -> RunFolder:
        """What lies there."""
        return RunFolder(self.folder)

    @property
    def reference_name(self) -> str:
        """The name of the natural run that it is compared with."""
        return (self.reference or self).identity.folder

    def status(self) -> Status:
        """How far it has come; to do again where tests are missing that this evaluation asks for, or the tracker was
        not told of them."""
        status = read_status(self.folder)
        if status.state is State.DONE and self.is_incomplete():
            return Status(State.ABSENT, "tests are missing")
        return status

    def is_incomplete(self) -> bool:
        """Whether there are tests that were not made, or a tracker that was not told of what was measured."""
        left = self.missing_tests() or self.missing_attacks() or self.missing_natural_adversarial()
        return bool(left) or self.misses_neighbours() or self.misses_tracker()

    def misses_tracker(self) -> bool:
        """Whether a tracker is to be told that was not yet."""
        key = tracking_key(self.config.logger["_target_"])
        return bool(key) and key not in (self.files.read_record() or {}).get("tracked", [])

    @property
    def splits(self) -> Splits:
        """The images it learns from and is tested on; kept in memory for a few data sets."""
        return build_splits(self.config.data, images=self.config.task.get("images"), seed=self.config.seed)

    @property
    def is_shared(self) -> bool:
        """Whether this is one of several processes that a cluster started to train it together."""
        trainer = self.config.trainer
        return is_one_of_several(trainer.devices, trainer.num_nodes, trainer.accelerator)

    @property
    def rank(self) -> int:
        """Which process this is of those that a cluster started to train it together; 0 for the first, or only one."""
        return int(os.environ["SLURM_PROCID"]) if self.is_shared else 0

    @property
    def processes(self) -> int:
        """How many train it together."""
        settings = self.config.trainer
        return settings.num_nodes * count_devices(settings.devices, settings.accelerator)

    def missing_tests(self) -> list[Test]:
        """The tests this evaluation asks for that were not made yet."""
        settings = self.config.evaluation
        known = self.files.known_tests()
        planned = planned_tests(self.conditions, trials=settings.trials, seed=settings.seed)
        return [test for test in planned if test[1] not in known]

    def missing_attacks(self) -> list[tuple[Assault, tuple[int, int]]]:
        """The attacks, and the pairs of label and target, that were not made yet."""
        if not self.assaults:
            return []
        known, test = self.files.made_attacks(), self.splits.test
        return [(assault, pair) for assault in self.assaults for pair in assault.missing(test, known)]

    def attacks_left(self) -> int:
        """How many attacks, each on an image, are still to be made."""
        return sum(len(assault.chosen(self.splits.test, *pair)) for assault, pair in self.missing_attacks())

    def missing_natural_adversarial(self) -> NaturalAdversarial | None:
        """The natural adversarial examples that it is to be tested on and was not yet."""
        others, known = self.natural_adversarial, self.files.read_natural_adversarial()
        return None if others and known is not None and known["images"].iloc[0] == others.digest else others

    def misses_neighbours(self) -> bool:
        """Whether the k-NN accuracy of what it learnt without labels is still to be measured."""
        asked = self.config.evaluation.conditions is not None
        return asked and self.has_neighbours and not self.files.neighbours.is_file()

    @property
    def has_neighbours(self) -> bool:
        """Whether it is self-supervised, on images that have classes for all that."""
        return is_self_supervised(self.config.task) and len(build_splits(self.config.data).train.classes) > 1

    def build_data(self) -> PerturbedData:
        """The data module."""
        settings, few, task = self.config.data, self.config.data.labels is not None, self.config.task
        splits = self.splits
        whole = task.get("network") is None  # else a picture holds two, which nothing may move
        most = len(splits.train) // self.processes * self.processes
        return PerturbedData(
            splits,
            batch_size=min(settings.batch_size, most) if few and most else settings.batch_size,
            perturbation=self.perturbation,
            seed=self.config.seed,
            fresh=self.config.perturb.fresh,
            shuffle=any([settings.shuffle, few, task.get("shuffle")]),  # few: what one epoch leaves over another takes
            augmentation=build(settings.augment) if settings.augment is not None and whole else None,
            every=self.training_images if few and self.training_images is not splits.train else None,
        )

    @property
    def training_images(self) -> ImageSet:
        """All of the data set, labelled or not."""
        if self.config.data.labels is None:
            return self.splits.train
        return build_splits(self.config.data.changed({"labels": None}), images=self.config.task.get("images")).train

    def load(self) -> nn.Module:
        """The trained network, in eval mode, on the CPU."""
        return self.files.load_model(networks=self._trusted())

    def _trusted(self) -> list[str]:
        """The networks that whoever asked for this run named; one that lies there may name anything."""
        return [] if self.where else [*_targets(self.config.model)]

    def build_network(self) -> nn.Module:
        """The untrained network: its weights drawn from the run's seed, or others' where `weights` says so; its layers
        frozen as the technique says."""
        torch.manual_seed(key("weights", self.config.seed))
        network = self._make_network()
        if self.config.weights is not None:
            take_published(network, str(self.config.weights))
        self._freeze(network)
        return network

    def sketch_network(self) -> nn.Module:
        """The same without numbers: shapes on the `meta` device, to be checked."""
        with torch.device("meta"):
            network = self._make_network()
        self._freeze(network)
        return network

    def _make_network(self) -> nn.Module:
        try:
            return make_network(self.architecture(), self._trusted())
        except ImagesTooSmallError as error:
            if self.config.task.get("images") is None:
                raise
            raise ValueError(
                f"`task={self.config.task.name}` cannot be learnt by this model: {error} Take a model for small "
                "pictures (model=resnet18), or data with larger ones."
            ) from error

    def _freeze(self, network: nn.Module) -> None:
        for chosen in (self.config.task.trainable, self.config.technique.trainable):
            if chosen is not None:
                freeze(network, chosen)

    def architecture(self) -> dict[str, Any]:
        """The network's constructor (`_target_`) and all its arguments, as plain values."""
        model, task, train = {**self.config.model.without(["name"])}, self.config.task, self.splits.train
        if is_self_supervised(task):
            model["standardize"] = "channel"  # pixel by pixel, what turns or moves a picture would stand out
        channels, height, width = train.shape
        classes = len(train.classes) if task.get("outputs") is None else task.outputs
        head = self.config.technique.head if self.config.technique.head is not None else task.get("head")
        given = {
            "image_shape": [channels, height, width],
            "num_classes": classes,
            **({"head": list(head)} if head is not None else {}),
        }
        if task.get("network") is None:
            return {**model, **given}
        shown = {"image_shape": [channels, height, height], "num_classes": classes}
        return {"_target_": task.network, "network": {**model, **shown}, **given}


class Preparation:
    """Prepares runs: each, each that others start from, and each part that several share, once.

    With `elsewhere` not the devices are checked, which another machine has.
    """

    def __init__(self, *, elsewhere: bool = False) -> None:
        trust_projects()
        self.elsewhere = elsewhere
        self._known: dict[tuple[str, ...], Experiment] = {}
        self._fits: set[str] = set()

    def prepare(self, overrides: Sequence[str]) -> Experiment:
        """The run that these overrides describe, with everything checked that can be before training. Raises
        ValueError or OSError, with what to do."""
        known = tuple(sorted(overrides))
        if known not in self._known:
            self._known[known] = self._prepare(tuple(overrides), compose(overrides))
        return self._known[known]

    def _prepare(self, overrides: tuple[str, ...], config: Config) -> Experiment:
        check_values(config)
        perturbation = build_perturbation(config.perturb)
        check_technique(config, perturbation)
        splits = build_splits(config.data, images=config.task.get("images"), seed=config.seed)
        task = task_of(config)
        check_task(config, splits, perturbation, needs=task.needs, least_batch=task.least_batch)
        parents = {part: self.prepare(one) for part, one in starts(overrides, config).items()}
        if is_run(config.technique.start):
            parents[""] = reopen(Path(config.technique.start))
            check_same_network(config, parents[""].config)
        identity = _identify(config, perturbation, splits, parents)
        against = self._reference(overrides, config)
        conditions, assaults, others = _tests(config, splits)
        run = Experiment(overrides, config, identity, perturbation, conditions, assaults, others, against, parents)
        self._check(run, splits)
        return run

    def _reference(self, overrides: tuple[str, ...], config: Config) -> Experiment | None:
        """The natural run that a run is compared with; None for itself."""
        wanted = natural(overrides, config)
        if config.technique.name == "natural" and compose(wanted) == config.changed({"parent": {}}):
            return None
        return self.prepare(wanted)

    def _check(self, run: Experiment, splits: Splits) -> None:
        """Builds what was not built alike before, so that what does not fit is said now."""
        config = run.config
        with as_level(config.perturb):
            run.build_data().take_part(0, run.processes)
        shape = [*splits.train.shape]
        about = [config.model, config.task, config.technique, config.optimizer, config.lr_scheduler, config.weights]
        if self._is_new("network", *about, shape, *(one.architecture() for one in run.parents.values())):
            _check_network(run)
        if self._is_new("attack", config.attack, config.model, config.technique.head, shape) and run.assaults:
            network = run.build_network()
            for assault in run.assaults:
                assault.check(network, splits.test)
        if not self.elsewhere and self._is_new("trainer", config.trainer):
            build_trainer(config, title="", checkpoint=Path(), callbacks=[])
        if self._is_new("logger", config.logger):
            build_tracker(config.logger, TrackedRun(Path(), "", ""))
        if self._is_new("runs_dir", config.runs_dir):
            check_writable(Path(config.runs_dir))

    def _is_new(self, *about: Any) -> bool:
        """Whether that was not looked at yet; it will have been."""
        found = json.dumps(about)
        if found in self._fits:
            return False
        self._fits.add(found)
        return True


def prepare(overrides: Sequence[str], *, elsewhere: bool = False) -> Experiment:
    """The run that these overrides describe, checked, as `Preparation.prepare` does."""
    return Preparation(elsewhere=elsewhere).prepare(overrides)


def reopen(folder: Path, changes: Mapping[str, Any] | None = None) -> Experiment:
    """The finished run in a folder as it is, with nothing to test; `changes` give other values by dotted key to what
    does not make it another run, such as `attack`. Raises ValueError where it is not finished, or of an older
    version."""
    files = RunFolder(folder.absolute())
    if read_status(files.path).state is not State.DONE:
        raise ValueError(f"{folder} must be the folder of a finished run; it is {read_status(files.path).state}.")
    if (identity := files.identity()) is None:
        raise ValueError(f"{folder} was made by an older version of robust, which this one does not go on from.")
    config: Config = Config.of(files.read_config()).changed({"runs_dir": str(files.path.parent), **_QUIET})
    config = config.changed(changes or {})
    check_values(config)
    perturbation = build_perturbation(config.perturb)
    return Experiment((), config, identity, perturbation, [], build_assaults(config.attack), None, where=files.path)


def _tests(config: Config, splits: Splits) -> tuple[list[Condition], list[Assault], NaturalAdversarial | None]:
    """What a run is tested under, attacked with, and tested on besides."""
    conditions = build_conditions(config.evaluation, splits.test.shape, config.perturb.family)
    assaults = build_assaults(config.attack)
    path = config.evaluation.natural_adversarial
    others = natural_adversarial(path, splits, cache_dir=config.data.cache_dir) if path is not None else None
    if others and not conditions:
        raise ValueError("`evaluation.natural_adversarial` comes on top of other tests; got `evaluation=none`.")
    if not config.task.tested:
        return [], [], None
    if config.task.get("images") is not None:
        conditions = [one for one in conditions if not one.moves]  # another answer would be right
    return conditions, assaults, others


def _check_network(run: Experiment) -> None:
    """Raises ValueError where the network, or how it is to learn, cannot be made, or does not fit what it starts
    from."""
    config = run.config
    network = run.sketch_network() if config.weights is None else run.build_network()
    build_optimizer(config.optimizer, params=[one for one in network.parameters() if one.requires_grad])
    build_task(config, network)
    build_schedule(config)
    _check_trunk(run)
    others = {part: one.load() if one.where else one.sketch_network() for part, one in run.parents.items()}
    init_from_parents(network, config, others)


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
    if settings.weights is not None:
        settings = settings.changed({"weights": published_digest(str(settings.weights))})
    return identify(
        settings,
        model=model_title(config.model),
        perturbation=perturbation.name if perturbation else "none",
        level=perturbation.level if perturbation else 0,
        data_digest=splits.digest,
        parents={part: parent.identity for part, parent in parents.items()},
        start=start_title(config, parents[""].config if "" in parents else None),
    )


def _targets(node: Mapping[str, Any]) -> Iterator[str]:
    """What nested settings have made, by dotted name."""
    return (str(value) for name, value in leaves(node) if name.rpartition(".")[2] == "_target_")
