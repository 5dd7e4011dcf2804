"""A run as its configuration describes it, checked before anything long starts."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from torch import nn

from robust.configuration import (
    as_level,
    build,
    build_conditions,
    build_perturbation,
    build_splits,
    check_values,
    model_name,
    plain,
    reference,
    require_complete,
)
from robust.data import PerturbedData, Splits
from robust.errors import one_line
from robust.learn import Constant, Schedule, count_devices, freeze, is_one_of_several
from robust.measure import Condition, Test, planned_tests
from robust.perturb import Perturbation, key
from robust.results import known_tests
from robust.runs import Identity, State, Status, identify, read_status
from robust.track import Subject, make_tracker


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was checked and can start: its configuration and the parts it describes."""

    config: DictConfig
    splits: Splits
    perturbation: Perturbation | None
    conditions: list[Condition]
    identity: Identity
    reference: str  # the name of the natural run that it is held against
    parent: "Run | None"  # whose weights it starts from

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
        return bool(self.missing_tests()) or not make_tracker(self.config, Subject(self.folder, "", "")).knows()

    @property
    def rank(self) -> int:
        """Which process this is of those that a cluster started to train it together; 0 for the first, or only one."""
        return int(os.environ["SLURM_PROCID"]) if self.is_shared else 0

    def missing_tests(self) -> list[Test]:
        """The tests this evaluation asks for that were not made yet."""
        settings = self.config.evaluation
        known = known_tests(self.folder)
        planned = planned_tests(self.conditions, trials=settings.trials, seed=settings.seed)
        return [test for test in planned if test[1] not in known]

    def build_data(self) -> PerturbedData:
        """The data module."""
        settings = self.config.data
        return PerturbedData(
            self.splits,
            batch_size=settings.batch_size,
            perturbation=self.perturbation,
            seed=self.config.seed,
            fresh=self.config.perturb.fresh,
            shuffle=settings.shuffle,
        )

    def build_network(self) -> nn.Module:
        """The untrained network: its weights drawn from the run's seed, its layers frozen as the technique says."""
        torch.manual_seed(key("weights", self.config.seed))
        network = build(self.config.model, **self._arguments())
        if self.config.technique.trainable is not None:
            freeze(network, self.config.technique.trainable)
        return network

    def architecture(self) -> dict[str, Any]:
        """The network's constructor (`_target_`) and all its arguments, as plain values."""
        return {**plain(self.config.model, without=["name"]), **self._arguments()}

    def _arguments(self) -> dict[str, Any]:
        head = self.config.technique.head
        return {
            "image_shape": list(self.splits.train.shape),
            "num_classes": len(self.splits.train.classes),
            **({"head": list(head)} if head is not None else {}),
        }


def prepare(config: DictConfig, *, elsewhere: bool = False) -> Run:
    """Checks everything that can be checked before training; with `elsewhere` not the devices, which another machine
    has. Raises ValueError or OSError, with what to do."""
    if config.as_reference:
        config = reference(config)
    require_complete(config)
    check_values(config)
    perturbation = build_perturbation(config.perturb)
    check_technique(config, perturbation)
    splits = build_splits(config.data)
    conditions = build_conditions(config.evaluation, splits.test.shape, config.perturb.family)
    natural = reference(config)
    parent = prepare(natural, elsewhere=elsewhere) if config.technique.start is not None else None
    run = Run(
        config,
        splits,
        perturbation,
        conditions,
        _identify(config, perturbation, splits, parent),
        _identify(natural, None, splits, None).folder,
        parent,
    )
    with as_level(config.perturb):
        data = run.build_data()
    settings = config.trainer
    data.take_part(0, settings.num_nodes * count_devices(settings.devices, settings.accelerator))
    network = run.build_network()
    build(config.optimizer, params=[parameter for parameter in network.parameters() if parameter.requires_grad])
    build_schedule(config)
    if not elsewhere:
        build_trainer(config, title="", checkpoint=Path(), callbacks=[])
    make_tracker(config, Subject(Path(), "", ""))
    check_writable(Path(config.runs_dir))
    return run


def _identify(config: DictConfig, perturbation: Perturbation | None, splits: Splits, parent: Run | None) -> Identity:
    return identify(
        plain(config),
        model=model_name(config.model),
        perturbation=perturbation.name if perturbation else "none",
        level=perturbation.level if perturbation else 0,
        data_digest=splits.digest,
        parent=parent.identity if parent else None,
    )


def build_schedule(config: DictConfig) -> Schedule:
    """Which share of a batch is perturbed; for a technique without one, none."""
    share = config.technique.share
    return build(share) if share is not None else Constant(share=0)


def build_trainer(
    config: DictConfig,
    *,
    title: str,
    checkpoint: Path,
    callbacks: Sequence[pl.Callback],
    logger: Logger | None = None,
) -> pl.Trainer:
    """Lightning's Trainer. Raises ValueError where it cannot be made of the configuration's settings."""
    try:
        make = build(config.trainer, without=["threads", "channels_last"], _partial_=True)
        return make(title=title, checkpoint=checkpoint, callbacks=callbacks, logger=logger)
    except Exception as error:
        raise ValueError(f"`trainer` cannot be made of these settings: {one_line(error)}") from error


def check_technique(config: DictConfig, perturbation: Perturbation | None) -> None:
    """Raises ValueError unless the technique has a perturbation exactly if it needs one, and a start that there is."""
    technique = config.technique
    if technique.start not in (None, "natural"):
        raise ValueError(f"`technique.start` must be null (anew) or natural (from that run); got {technique.start!r}.")
    if perturbation and config.perturb.fresh and not perturbation.random:
        raise ValueError(f"`perturb.fresh` must be false with `perturb={perturbation.name}`: nothing in it is random.")
    if perturbation and technique.share is None:
        raise ValueError(
            f"`technique={technique.name}` trains on unperturbed images; got `perturb={perturbation.name}`. "
            "Leave `perturb` out, or choose another technique."
        )
    if not perturbation and technique.share is not None:
        raise ValueError(
            f"`technique={technique.name}` needs a perturbation; got `perturb=none`. "
            "For unperturbed images: `technique=natural`."
        )


def check_writable(runs_dir: Path) -> None:
    """Raises OSError where runs cannot be kept."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs_dir):
            pass
    except OSError as error:
        raise OSError(
            f"`runs_dir` must be a folder that can be written to; got {runs_dir} ({error.strerror}). "
            "Give another: runs_dir=FOLDER."
        ) from error
