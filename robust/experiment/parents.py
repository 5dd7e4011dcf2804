"""The runs that a run starts from, and the natural one that it is compared with: composed from what both share.

A parent is the run that its own command line would make: it takes over the overrides on data, model, seed and machine,
and learns by its own recipe. A natural run that another is only compared with, and that is trained in the same stage
(from scratch, mostly), takes over the optimiser, the number of epochs and the batch size too: such a pair is trained
alike. For another parent: parent.optimizer.lr=0.1.
"""

import functools
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from robust.errors import suggest
from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.experiment.overrides import as_overrides, parse
from robust.experiment.recovered import AROUND, OF_RUN, is_learnt, recovers
from robust.experiment.search_path import choice_folders
from robust.runs import RunFolder
from robust.runs.config import Config

NATURAL = "natural"
PRETRAINED = "pretrained"
PRETRAIN = "pretrain"
#: of the trainer's keys those that say where and how it is computed, not what is learnt
_MACHINE = frozenset(
    f"trainer.{name}"
    for name in (
        *("accelerator", "channels_last", "checkpoint_every_s", "compile", "devices", "num_nodes", "precision"),
        *("progress", "threads"),
    )
)
_UNSHARED = ("force", "parent", "perturb", *AROUND, "technique")
#: what is measured of a run beside its tests, and not of what it starts from
_UNASKED = (
    "evaluation.sequences=false",
    "evaluation.distance=false",
    "evaluation.tolerance=null",
    "evaluation.temperature=false",
)
_BESIDES = ("published", "sequences", "distance", "tolerance", "temperature")


def natural(overrides: Sequence[str], config: Config) -> list[str]:
    """The overrides of the natural run that a run is compared with, or starts from."""
    plain, given = ["technique=natural", "perturb=none"], _of_parent(config)
    alike = [*_shared(overrides, alike=True), *plain, *given]
    if config.technique.start != NATURAL and _stage_of(tuple(alike)) == config.task.stage:
        return alike
    return [*_shared(overrides, alike=False), *plain, *given]


@functools.lru_cache(maxsize=1024)
def _stage_of(overrides: tuple[str, ...]) -> str:
    """The stage of the recipe that the run of these overrides is trained by."""
    return str(compose(overrides).task.stage)


def starts(overrides: Sequence[str], config: Config) -> dict[str, list[str]]:
    """The overrides of the runs that a network starts from, by the part of it that takes their weights; "" for all but
    a new head. None for a folder, whose run is as it is. Raises ValueError for a start that there is not."""
    if recovers(config):
        plain = {"": [one for one in overrides if not _is_of(one, ("force", *AROUND))]}
        return {**plain, "restore": _denoising(overrides, config)} if is_learnt(config) else plain
    start = config.technique.start
    if start is None:
        return {part: _stage(overrides, config, named.partition(".")[0]) for part, named in config.task.start.items()}
    if start == NATURAL:
        return {"": natural(overrides, config)}
    if start == PRETRAINED:
        return {"": _pretrained(overrides, config)}
    return {} if is_run(start) else {"": _pretraining(overrides, config, str(start))}


def is_run(start: object) -> bool:
    """Whether that is the folder of a run."""
    return isinstance(start, str) and os.path.isfile(RunFolder(Path(start)).config)  # noqa: PTH113, of any name


def learns(config: Config) -> bool:
    """Whether any layer of a run's network learns; else it is measured as it is given."""
    return bool(config.technique.trainable != []) and not recovers(config)


def is_self_supervised(task: Config) -> bool:
    """Whether a task is self-supervised: it makes its own labels of the images."""
    return bool(task.stage == PRETRAIN)


def _pretrained(overrides: Sequence[str], config: Config) -> list[str]:
    """The overrides of the run of the network as it is given, that a run starts from."""
    return [*_shared(overrides, alike=False), "technique=pretrained", "perturb=none", *_of_parent(config)]


def _pretraining(overrides: Sequence[str], config: Config, task: str) -> list[str]:
    """The overrides of the self-supervised run of a task that a run starts from."""
    if task not in (known := _self_supervised_tasks()):
        raise ValueError(
            f"`technique.start` must be null, natural, pretrained, a self-supervised task ({', '.join(known)}) or the "
            f"folder of a run; got {task}.{suggest(task, [NATURAL, PRETRAINED, *known])}"
        )
    return [*_unlabelled(overrides, task), "technique=natural", "perturb=none", *_of_parent(config)]


def _unlabelled(overrides: Sequence[str], task: str, *without: str) -> list[str]:
    """The same of a run of a task that needs no labels, and is not asked what its child is."""
    others = ("attack", "task", "data.labels", "data.validation", *(f"evaluation.{name}" for name in _BESIDES))
    return [
        *_shared(overrides, alike=False, without=(*others, *without)),
        *(f"task={task}", "attack=none", "data.labels=null", "data.validation=null", "evaluation.published=null"),
        *_UNASKED,
    ]


def _denoising(overrides: Sequence[str], config: Config) -> list[str]:
    """The overrides of the run of a restoration that learns: most of each batch perturbed, anew in each epoch."""
    restore = config.restore
    settings = {name: value for name, value in restore.items() if name not in ("name", "_target_", *OF_RUN)}
    level = {} if restore.level is None else {"level": restore.level}
    words = [
        *_unlabelled(overrides, "denoise", "augment", "data.augment", "model", "weights"),
        *("technique=constant", "technique.share.value=0.8", f"perturb={restore.perturb}"),
        *as_overrides({"model": settings, "perturb": level}),
        f"model={restore.name}",
    ]
    perturbation = build_perturbation(compose(words).perturb, key="restore.level")
    return [*words, "perturb.fresh=true"] if perturbation and perturbation.random else words


def _stage(overrides: Sequence[str], config: Config, model: str) -> list[str]:
    """The overrides of the run, of another model and its task, that a part of a run's network starts from: trained
    with the same technique."""
    shared = _shared(overrides, alike=False, without=("task",), unshared=("force", "parent"))
    others = [*(one for one in shared if not _is_of(one, ("model",))), f"model={model}"]
    known = {f"model.{name}" for name in compose(others).model} - {"model.name", "model._target_"}
    both = [one for one in shared if _key(parse(one)) in known]
    return [*others, *both, *_UNASKED, *_of_parent(config)]


def _shared(
    overrides: Sequence[str], *, alike: bool, without: Collection[str] = (), unshared: Collection[str] = _UNSHARED
) -> list[str]:
    """Those of a run's overrides that its parent takes over."""
    if "WANDB_SWEEP_ID" in os.environ:  # an agent's process is one W&B run, which is not the parent
        return [*_shared_anywhere(overrides, alike, (*without, *unshared, "logger")), "logger=none"]
    return _shared_anywhere(overrides, alike, (*without, *unshared))


def _shared_anywhere(overrides: Sequence[str], alike: bool, without: Collection[str]) -> list[str]:
    kept = [one for one in overrides if not _is_of(one, without)]
    return kept if alike else [one for one in kept if not _is_of_training(_key(parse(one)))]


def _is_of(override: str, keys: Collection[str]) -> bool:
    """Whether it sets one of these keys, or something within."""
    key = _key(parse(override))
    return any(f"{key}.".startswith(f"{one}.") for one in keys)


def _key(override: Override) -> str:
    """What it sets: of a choice that goes elsewhere (schedule@technique.share), where it goes."""
    return override.package or override.key_or_group.replace("/", ".")


def _is_of_training(key: str) -> bool:
    """Whether a key says how the weights are learnt."""
    return (
        key.partition(".")[0] in ("optimizer", "lr_scheduler", "label_smoothing")
        or key == "data.batch_size"
        or (key.startswith("trainer.") and key not in _MACHINE)
    )


def _of_parent(config: Config) -> list[str]:
    return as_overrides(config.parent)


def _self_supervised_tasks() -> list[str]:
    files = [file for folder in choice_folders() for file in sorted((folder / "task").glob("*.yaml"))]
    contents: dict[str, Any] = {file.stem: OmegaConf.to_container(OmegaConf.load(file)) for file in files}
    return [name for name, one in contents.items() if one.get("task", one).get("stage") == PRETRAIN]
