"""A run as its configuration describes it, checked before anything long starts."""

import functools
import json
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.attack import AttackPlan
from robust.data import ImageSet, PerturbedData, PublishedTest, Splits
from robust.experiment.build import build, build_splits, task_of
from robust.experiment.cost import cost_missing
from robust.experiment.exposure import distances_missing, trained_on
from robust.experiment.given import described, mapped_classes
from robust.experiment.limits import limits_missing
from robust.experiment.overrides import parse
from robust.experiment.parents import is_self_supervised, learns
from robust.experiment.recovered import AROUND, recovered, recovers
from robust.experiment.sequences import sequences_missing
from robust.experiment.sources import named_sources, source_of
from robust.experiment.temperature import temperature_missing
from robust.experiment.until import tests_missing
from robust.learn import count_devices, freeze, is_one_of_several
from robust.measure import Condition, Test
from robust.models import ImagesTooSmallError, load_pretrained, make_network
from robust.models.registry import allow
from robust.perturb import Perturbation, key
from robust.runs import Identity, RunFolder, State, Status, is_setting, read_status
from robust.runs.config import Config, leaves
from robust.track import tracking_key
from robust.values.secrets import masked_word

#: what a run's identity says in words: groups, and keys; and those of the network, which its title names
_SAID = ("data", "model", "perturb", *AROUND, "technique", "technique.start")
_OF_NETWORK = "model."


@dataclass(frozen=True, eq=False)
class Experiment:
    """A run that was checked and can start: what was asked for, its configuration and the parts it describes."""

    overrides: tuple[str, ...]
    config: Config
    identity: Identity
    perturbation: Perturbation | None
    conditions: list[Condition]
    attack_plans: list[AttackPlan]
    published: list[PublishedTest]
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
    def title(self) -> str:
        """What to call it beside others: what it is, and the settings that its command names."""
        said = (one.lstrip("+").split("=", 1) for one in self.overrides if "=" in one)
        settings = ((key, value) for key, value in said if "." in key and is_setting(key, self.config))
        return " ".join([self.identity.title, *(f"{key.rpartition('.')[2]}={value}" for key, value in settings)])

    @functools.cached_property
    def settings(self) -> list[str]:
        """What its command sets that makes it the run that it is and that its identity does not say, such as
        "optimizer=sgd"; the last of each key."""
        given = {
            str(one.input_line).partition("=")[0]: masked_word(str(one.input_line).lstrip("+"))
            for one in map(parse, self.overrides)
            if not one.is_delete()
            and is_setting(key := one.key_or_group, self.config)
            and key not in _SAID
            and not key.startswith(_OF_NETWORK)
        }
        return [*given.values()]

    @property
    def files(self) -> RunFolder:
        """What lies there."""
        return RunFolder(self.folder)

    @property
    def reference_name(self) -> str:
        """The name of the natural run that it is compared with; of a run that is there as its rows say."""
        if self.where and self.files.has_rows():
            return str(self.files.read_rows()["reference"].iloc[0])
        return (self.reference or self).identity.folder

    def status(self) -> Status:
        """How far it has come; to do again where tests are missing, or the tracker was not told of them."""
        status = read_status(self.folder)
        if status.state is State.DONE and self.is_incomplete():
            return Status(State.ABSENT, "tests are missing")
        return status

    def is_incomplete(self) -> bool:
        """Whether there are tests that were not made, or a tracker that was not told of what was measured."""
        parts = (self.missing_tests, self.missing_attacks, self.missing_published)
        others = (self.misses_knn, self.misses_tracker, self.misses_files)
        besides = (sequences_missing, distances_missing, limits_missing, temperature_missing, cost_missing)
        return any(missing() for missing in (*parts, *others)) or any(missing(self) for missing in besides)

    def misses_files(self) -> bool:
        """Whether files are gone or damaged that can be made again (see `RunFolder.lost`)."""
        return self.where is None and bool(self.files.lost(task_of(self.config).inspects, tested=bool(self.conditions)))

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
        """Which process this is of those that a cluster started to train it together; 0: the first, or only one."""
        return int(os.environ["SLURM_PROCID"]) if self.is_shared else 0

    @property
    def learns(self) -> bool:
        """Whether any layer of its network learns; else it is measured as it is given."""
        return learns(self.config)

    @property
    def processes(self) -> int:
        """How many train it together."""
        settings = self.config.trainer
        return settings.num_nodes * count_devices(settings.devices, settings.accelerator)

    def missing_tests(self) -> list[Test]:
        """The tests this evaluation asks for that were not made yet."""
        return tests_missing(self, self.stale())

    def missing_attacks(self) -> list[tuple[AttackPlan, tuple[int, int]]]:
        """The attacks, and the pairs of label and target, that were not made yet."""
        if not self.attack_plans:
            return []
        known, test, stale = self.files.made_attacks(), self.splits.test, self.stale()
        if known is not None:
            known = known[~known["attack"].map(lambda name: f"attack {name}" in stale)]
        return [(attack_plan, pair) for attack_plan in self.attack_plans for pair in attack_plan.missing(test, known)]

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """Digests of the code of the user's own that tests and attacks are made by, by the perturbation's name."""
        parts = {one.name: one.perturbation for one in self.conditions if one.perturbation is not None}
        tests = {name: source_of(part) for name, part in parts.items()}
        own = named_sources(Config.of({"data": {}, "attack": self.config.attack}))
        attacks = {f"attack {one.name}": json.dumps(own) for one in self.attack_plans if own}
        return {name: digest for name, digest in {**tests, **attacks}.items() if digest}

    @functools.cached_property
    def trained_on(self) -> dict[str, str]:
        """What went into its training (see `trained_on`)."""
        return trained_on(self)

    def stale(self) -> set[str]:
        """What was measured by other code of the user's own than there is now."""
        if not self.sources:
            return set()
        known = (self.files.read_record() or {}).get("sources", {})
        return {name for name, digest in self.sources.items() if known.get(name, digest) != digest}

    def missing_published(self) -> list[PublishedTest]:
        """The tests of published sets that were not made yet."""
        known = self.files.known_published() if self.published else set()
        return [one for one in self.published if not known or one.key not in known]

    def misses_knn(self) -> bool:
        """Whether the k-NN accuracy of a self-supervised network is still to be measured."""
        asked = self.config.evaluation.conditions is not None
        return asked and self.has_knn and not self.files.knows_knn()

    @property
    def has_knn(self) -> bool:
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
            shuffle=any([settings.shuffle, few, task.get("shuffle")]),
            drop_last=settings.drop_last,
            augmentation=build(settings.augment) if settings.augment is not None and whole else None,
            every=self.training_images if few and self.training_images is not splits.train else None,
            with_natural=task_of(self.config).restores,
        )

    @property
    def training_images(self) -> ImageSet:
        """All of the data set that is not set aside, labelled or not."""
        if self.config.data.labels is None:
            return self.splits.train
        every = self.config.data.without(["labels"])
        return build_splits(every, images=self.config.task.get("images"), seed=self.config.seed).train

    def load(self) -> nn.Module:
        """The trained network, in eval mode, on the CPU."""
        return self.files.load_model(networks=self._trusted())

    def _trusted(self) -> list[str]:
        """The networks that the command for this run named; a stored run may name anything."""
        parts = {name: self.config.get(name) for name in ("model", *AROUND)}
        named = leaves({} if self.where else parts)
        return [str(value) for name, value in named if name.rpartition(".")[2] == "_target_"]

    def build_network(self) -> nn.Module:
        """The untrained network: its weights drawn from the run's seed, or others' where `weights` says so; its layers
        frozen as the technique says."""
        torch.manual_seed(key("weights", self.config.seed))
        network = self._make_network()
        if self.config.weights is not None and not recovers(self.config):
            load_pretrained(network, str(self.config.weights), keep_head=not self.learns)
        self._freeze(network)
        return network

    def sketch_network(self) -> nn.Module:
        """The same without numbers: shapes on the `meta` device, to be checked."""
        try:
            with torch.device("meta"), warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "for .*: copying from a non-meta parameter"
                )  # weights it loads itself
                network = self._make_network()
        except (ValueError, NotImplementedError) as error:
            if isinstance(error, ImagesTooSmallError) or isinstance(error.__cause__, ImagesTooSmallError):
                raise  # it would be too small with numbers, too, and these may not fit in memory
            network = self._make_network().to("meta")  # somebody's own may compute with numbers while it is made
        self._freeze(network)
        return network

    def _make_network(self) -> nn.Module:
        allow(self._trusted())  # when its folder is read again, too
        try:
            return make_network(self.architecture(), self._trusted())
        except ImagesTooSmallError as error:
            if self.config.task.get("images") is None:
                suits = f"`model={self.config.model.name}` does not suit `data={self.config.data.name}`"
                raise ImagesTooSmallError(f"{suits}: {error}") from error
            raise ValueError(
                f"`task={self.config.task.name}` cannot be learnt by this model: {error} Take a model for small "
                "pictures (model=resnet18), or data with larger ones."
            ) from error

    def _freeze(self, network: nn.Module) -> None:
        for chosen in (self.config.task.trainable, self.config.technique.trainable):
            if chosen is not None and not recovers(self.config):
                freeze(network, chosen)

    def architecture(self) -> dict[str, Any]:
        """The network's constructor (`_target_`) and all its arguments, as plain values."""
        asked, task, train = self.config.model, self.config.task, self.splits.train
        model = {**asked.without(["name", "path"] if "network" in asked else ["name"]).plain(), **described(asked)}
        if is_self_supervised(task):
            model["standardize"] = "channel"  # pixel by pixel, what turns or moves a picture would stand out
        channels, height, width = train.shape
        classes = len(train.classes) if task.get("outputs") is None else task.outputs
        head = self.config.technique.head if self.config.technique.head is not None else task.get("head")
        if head is not None:
            model.pop("classes", None)  # a head of its own knows the data's
        elif model.get("classes") is not None:
            classes, model["classes"] = mapped_classes(str(asked.classes), self.splits)
        given = {
            "image_shape": [channels, height, width],
            "num_classes": classes,
            **({"head": list(head)} if head is not None else {}),
        }
        if task.get("network") is None:
            return recovered(self.config, {**model, **given})
        shown = {"image_shape": [channels, height, height], "num_classes": classes}
        return {"_target_": task.network, "network": {**model, **shown}, **given}
