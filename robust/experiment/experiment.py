"""A run as its configuration describes it, checked before anything long starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
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
    make,
    task_of,
)
from robust.experiment.compose import is_pretext, is_run, model_name, plain, reference, require_complete, start_title
from robust.experiment.start import starts, take_start
from robust.experiment.validate import check_start, check_task, check_technique, check_values, check_writable
from robust.learn import (
    count_devices,
    freeze,
    is_one_of_several,
)
from robust.measure import NATURAL, Condition, Test, planned_tests
from robust.models import ImagesTooSmallError, evaluating, published_digest, take_published, trunk_of
from robust.perturb import Perturbation, key
from robust.runs import Identity, RunFolder, State, Status, identify, read_status
from robust.track import TrackedRun, tracking_key


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was checked and can start: its configuration and the parts it describes."""

    config: DictConfig
    splits: Splits
    perturbation: Perturbation | None
    conditions: list[Condition]
    assaults: list[Assault]
    natural_adversarial: NaturalAdversarial | None
    identity: Identity
    reference: str  # the name of the natural run that it is held against
    parents: "dict[str, Run]"  # whose weights it starts from, by the part of the network; "" for all but the head

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return Path(self.config.runs_dir).absolute() / self.identity.folder

    @property
    def status(self) -> Status:
        """How far it has come; to do again where tests are missing that this evaluation asks for, or nobody was told
        of them."""
        status = read_status(self.folder)
        if status.state is State.DONE and self.is_incomplete():
            return Status(State.ABSENT, "tests are missing")
        return status

    @property
    def is_shared(self) -> bool:
        """Whether this is one of several processes that a cluster started to train it together."""
        trainer = self.config.trainer
        return is_one_of_several(trainer.devices, trainer.num_nodes, trainer.accelerator)

    def is_incomplete(self) -> bool:
        """Whether there are tests that were not made, or a tracker that was not told of what was measured."""
        left = self.missing_tests() or self.missing_attacks() or self.missing_natural_adversarial()
        return bool(left) or self.misses_neighbours() or self.misses_tracker()

    def misses_tracker(self) -> bool:
        """Whether a tracker is to be told that was not yet."""
        key = tracking_key(self.config.logger._target_)
        return bool(key) and key not in (RunFolder(self.folder).read_record() or {}).get("tracked", [])

    @property
    def rank(self) -> int:
        """Which process this is of those that a cluster started to train it together; 0 for the first, or only one."""
        return int(os.environ["SLURM_PROCID"]) if self.is_shared else 0

    def missing_tests(self) -> list[Test]:
        """The tests this evaluation asks for that were not made yet."""
        settings = self.config.evaluation
        known = RunFolder(self.folder).known_tests()
        planned = planned_tests(self.conditions, trials=settings.trials, seed=settings.seed)
        return [test for test in planned if test[1] not in known]

    def missing_attacks(self) -> list[tuple[Assault, tuple[int, int]]]:
        """The attacks, and the pairs of label and target, that were not made yet."""
        known = RunFolder(self.folder).made_attacks() if self.assaults else None
        return [(assault, pair) for assault in self.assaults for pair in assault.missing(self.splits.test, known)]

    def attacks_left(self) -> int:
        """How many attacks, each on an image, are still to be made."""
        return sum(len(assault.chosen(self.splits.test, *pair)) for assault, pair in self.missing_attacks())

    def missing_natural_adversarial(self) -> NaturalAdversarial | None:
        """The natural adversarial examples that it is to be tested on and was not yet."""
        if (others := self.natural_adversarial) is None:
            return None
        known = RunFolder(self.folder).read_natural_adversarial()
        return None if known is not None and known["images"].iloc[0] == others.digest else others

    def misses_neighbours(self) -> bool:
        """Whether nobody asked yet how much of the classes is in the features of what learnt without labels."""
        return self.has_neighbours and not RunFolder(self.folder).neighbours.is_file()

    @property
    def has_neighbours(self) -> bool:
        """Whether it learns without labels, from images that have classes for all that."""
        return is_pretext(self.config.task) and len(build_splits(self.config.data).train.classes) > 1

    def build_data(self) -> PerturbedData:
        """The data module."""
        settings, few, task = self.config.data, self.config.data.get("labels") is not None, self.config.task
        whole = task.get("network") is None  # else a picture holds two, which nothing may move
        most = len(self.splits.train) // self.processes * self.processes
        return PerturbedData(
            self.splits,
            batch_size=min(settings.batch_size, most) if few and most else settings.batch_size,
            perturbation=self.perturbation,
            seed=self.config.seed,
            fresh=self.config.perturb.fresh,
            shuffle=any([settings.shuffle, few, task.get("shuffle")]),  # few: what one epoch leaves over another takes
            augmentation=build(settings.augment) if settings.augment is not None and whole else None,
            every=self.training_images if few and self.training_images is not self.splits.train else None,
        )

    @property
    def processes(self) -> int:
        """How many train it together."""
        settings = self.config.trainer
        return settings.num_nodes * count_devices(settings.devices, settings.accelerator)

    @property
    def training_images(self) -> ImageSet:
        """All of the data set, labelled or not."""
        if self.config.data.get("labels") is None:
            return self.splits.train
        data = self.config.data.copy()
        data.labels = None
        return build_splits(data, images=self.config.task.get("images")).train

    def build_network(self) -> nn.Module:
        """The untrained network: its weights drawn from the run's seed, or others' where `weights` says so; its layers
        frozen as the technique says."""
        torch.manual_seed(key("weights", self.config.seed))
        try:
            network = make(self.architecture())
        except ImagesTooSmallError as error:
            if self.config.task.get("images") is None:
                raise
            raise ValueError(
                f"`task={self.config.task.name}` cannot be learnt by this model: {error} Take a model for small "
                "pictures (model=resnet18), or data with larger ones."
            ) from error
        if self.config.weights is not None:
            take_published(network, str(self.config.weights))
        for chosen in (self.config.task.trainable, self.config.technique.trainable):
            if chosen is not None:
                freeze(network, chosen)
        return network

    def architecture(self) -> dict[str, Any]:
        """The network's constructor (`_target_`) and all its arguments, as plain values."""
        model, task = plain(self.config.model, without=["name"]), self.config.task
        if is_pretext(task):
            model["standardize"] = "channel"  # pixel by pixel, what turns or moves a picture would stand out
        channels, height, width = self.splits.train.shape
        classes = len(self.splits.train.classes) if task.get("outputs") is None else task.outputs
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


def prepare(config: DictConfig, *, elsewhere: bool = False) -> Run:
    """Checks everything that can be checked before training; with `elsewhere` not the devices, which another machine
    has. Raises ValueError or OSError, with what to do."""
    if config.as_reference:
        config = reference(config)
    if config.task.recipe not in config.recipe:
        raise ValueError(
            f"`recipe` must say how `task={config.task.name}` is trained; that of `data={config.data.name}` has no "
            f"`{config.task.recipe}`. Add it in conf/recipe, or choose other data, such as `data=scenes`."
        )
    require_complete(config)
    check_values(config)
    perturbation = build_perturbation(config.perturb)
    check_technique(config, perturbation)
    splits = build_splits(config.data, images=config.task.get("images"), seed=config.seed)
    task = task_of(config)
    check_task(config, splits, perturbation, needs=task.needs, least_batch=task.least_batch)
    conditions = build_conditions(config.evaluation, splits.test.shape, config.perturb.family)
    assaults = build_assaults(config.attack)
    path = config.evaluation.natural_adversarial
    others = natural_adversarial(path, splits, cache_dir=config.data.cache_dir) if path is not None else None
    if others and not conditions:
        raise ValueError("`evaluation.natural_adversarial` comes on top of other tests; got `evaluation=none`.")
    if not config.task.tested:
        conditions, assaults, others = [], [], None
    if config.task.get("images") is not None:
        conditions = [one for one in conditions if not one.moves]  # another answer would be right
    natural = reference(config)

    def prepare_all(configs: Mapping[str, DictConfig]) -> dict[str, Run]:
        return {part: prepare(one, elsewhere=elsewhere) for part, one in configs.items()}

    start, parents = config.technique.start, prepare_all(starts(config))
    if is_run(start):
        check_start(config, parents[""].config, parents[""].folder)
    identity = _identify(config, perturbation, splits, parents)
    if start == NATURAL:
        against = parents[""].identity
    elif plain(natural) == plain(config):
        against = identity
    else:
        against = _identify(natural, None, splits, prepare_all(starts(natural)))
    run = Run(config, splits, perturbation, conditions, assaults, others, identity, against.folder, parents)
    _build_all(run, elsewhere=elsewhere)
    check_writable(Path(config.runs_dir))
    return run


def _build_all(run: Run, *, elsewhere: bool) -> None:
    """Builds every part once, so that what does not fit is said now."""
    config = run.config
    with as_level(config.perturb):
        data = run.build_data()
    data.take_part(0, run.processes)
    network = run.build_network()
    build_optimizer(config.optimizer, params=[one for one in network.parameters() if one.requires_grad])
    build_task(config, network)
    _check_trunk(run, network)
    if config.technique.start != NATURAL:  # which is the same network
        take_start(network, config, {part: parent.build_network() for part, parent in run.parents.items()})
    for assault in run.assaults:
        assault.check(network, run.splits.test)
    build_schedule(config)
    if not elsewhere:
        build_trainer(config, title="", checkpoint=Path(), callbacks=[])
    build_tracker(config.logger, TrackedRun(Path(), "", ""))


def _check_trunk(run: Run, network: nn.Module) -> None:
    """Raises ValueError where the trunk of a network that sees parts of pictures cannot see whole ones."""
    task = run.config.task
    if task.get("network") is None:
        return
    shape = build_splits(run.config.data).test.shape
    try:
        with torch.no_grad(), evaluating(network):
            trunk_of(network)(torch.zeros(1, *shape))
    except RuntimeError as error:
        raise ValueError(
            f"`task={task.name}` needs a trunk that takes pictures of any size, as one of convolutions does; got "
            f"`model={run.config.model.name}` ({one_line(error)})."
        ) from error


def _identify(
    config: DictConfig, perturbation: Perturbation | None, splits: Splits, parents: Mapping[str, Run]
) -> Identity:
    settings = plain(config)
    if is_pretext(config.task):
        settings["data"]["name"] += f"_{config.task.name}"  # other labels: another data set
    if is_run(config.technique.start):
        settings["technique"]["start"] = "run"  # which one its own identity says
    if settings["weights"] is not None:
        settings["weights"] = published_digest(str(settings["weights"]))
    return identify(
        settings,
        model=model_name(config.model),
        perturbation=perturbation.name if perturbation else "none",
        level=perturbation.level if perturbation else 0,
        data_digest=splits.digest,
        parents={part: parent.identity for part, parent in parents.items()},
        start=start_title(config),
    )
