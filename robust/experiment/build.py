"""The parts that a configuration describes."""

import contextlib
import dataclasses
import functools
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from torch import nn

from robust.attack import AttackPlan
from robust.data import Splits, fewer_tests, hold_out, label_subset
from robust.data.own import looked_at
from robust.errors import ParameterError, one_line, shown
from robust.experiment.rules import locate
from robust.learn import AtomicIO, Classifier, Constant, Schedule, Task
from robust.perturb import Perturbation
from robust.restore import Restoration
from robust.runs.config import Config
from robust.track import TrackedRun, Tracker
from robust.values.secrets import masked


def build_optimizer(optimizer: Config, **arguments: Any) -> Any:
    """The optimiser that a node describes, with its own defaults where that says null."""
    return build(optimizer, without=[name for name, value in optimizer.items() if value is None], **arguments)


def build(node: Config, *, without: Container[str] = ("name",), **arguments: Any) -> Any:
    """The object that a configuration node describes; `arguments` are added. A `name` is for people."""
    return make(node.without(without), **arguments)


def make(description: Mapping[str, Any], *, _partial_: bool = False, **arguments: Any) -> Any:
    """The object that plain values describe: what `_target_` names, called with them, and with what those within
    describe. With `_partial_` the call itself, for others to make. Raises ValueError and OSError as the constructor
    does; what else it raises as a ValueError with the values."""
    target = str(description["_target_"])
    given = {name: _made(value) for name, value in description.items() if name != "_target_"} | arguments
    called = locate(target)
    made = functools.partial(_call, target, called, **given)
    return made if _partial_ else made()


def _call(target: str, called: Callable[..., Any], *others: Any, **given: Any) -> Any:
    try:
        return called(*others, **given)
    except OSError:
        raise
    except Exception as error:  # of any kind: it may be somebody else's
        if isinstance(error, ValueError) and ("`" in str(error) or target.startswith("robust.data.")):
            raise  # it names what is wrong
        values = ", ".join(f"{name}={shown(repr(masked(value, name)))}" for name, value in given.items())
        raise ValueError(f"{target} cannot be made with {values} ({one_line(error)}).") from error


def _made(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_made(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return make(value) if "_target_" in value else {name: _made(inner) for name, inner in value.items()}


def build_tracker(logger: Config, tracked: TrackedRun) -> Tracker:
    """The tracker that `logger` names, not opened; it is told no secrets. Raises ValueError where it cannot be."""
    told = dataclasses.replace(tracked, config=masked(tracked.config))
    return build(logger, without=["look"], _partial_=True)(told)


#: what of `data` takes a part of its images
PARTS = ("test_per_class", "validation", "labels")


def build_splits(data: Config, *, images: Config | None = None, seed: int = 0) -> Splits:
    """The data set's images, or what `images`, a function by its configuration, makes of them, with labels of its own;
    with `data.test_per_class` so many test images; with `data.validation` so many training images set aside, and of the
    others with `data.labels` so many, both drawn by the seed. The same ones at the second time."""
    parts = {name: data.get(name) for name in PARTS if data.get(name) is not None}
    return _read_splits(
        json.dumps(data.source),
        images=json.dumps(images) if images is not None else None,
        parts=json.dumps(parts),
        seed=seed if parts.keys() - {"test_per_class"} else 0,
    )


@functools.lru_cache(maxsize=4)
def _read_splits(source: str, *, images: str | None, parts: str, seed: int) -> Splits:
    if images is not None:
        splits = _read_splits(source, images=None, parts=parts, seed=seed)
        splits = make(json.loads(images), _partial_=True)(splits)
        if not isinstance(splits, Splits):
            raise ParameterError("task.images._target_", "a function that returns Splits", type(splits).__name__)
        return splits
    if chosen := json.loads(parts):
        splits = _read_splits(source, images=None, parts="{}", seed=0)
        splits = fewer_tests(splits, chosen["test_per_class"]) if "test_per_class" in chosen else splits
        splits = hold_out(splits, chosen["validation"], seed=seed) if "validation" in chosen else splits
        return label_subset(splits, chosen["labels"], seed=seed) if "labels" in chosen else splits
    described = json.loads(source)
    if (name := str(described["_target_"])).startswith("robust."):
        return make(described)
    try:
        return looked_at(make(described), name)
    except (ValueError, OSError):
        raise
    except Exception as error:  # of a user's function
        raise ValueError(f"`data.source` ({name}) failed: {one_line(error)}.") from error


def build_perturbation(perturb: Config, *, key: str = "perturb.level") -> Perturbation | None:
    """The perturbation that a choice of `perturb` describes; None for `perturb=none`. Errors call the level by `key`.

    Raises ValueError for a level without a perturbation, and for one that it does not take.
    """
    if perturb.transform is None:
        if perturb.level != 0:
            raise ValueError(
                f"`{key}` must be left out with `perturb=none`; got {perturb.level}. Name a perturbation, or no level."
            )
        return None
    with as_level(perturb, key):
        built = _build_perturbation(json.dumps(perturb.transform))
        if not built.is_current():
            _build_perturbation.cache_clear()
            built = _build_perturbation(json.dumps(perturb.transform))
        return built


@functools.lru_cache(maxsize=512)
def _build_perturbation(transform: str) -> Perturbation:
    return make(json.loads(transform))


@contextlib.contextmanager
def as_level(perturb: Config, key: str = "perturb.level") -> Iterator[None]:
    """Calls by its key what a perturbation's error calls by its constructor's argument."""
    transform = perturb.transform or {}
    likely = [name for name, value in transform.items() if repr(value) == repr(perturb.level)]
    names = ["level"] if "level" in transform else likely
    others = transform if key.endswith(".level") else {}
    place = f"{key.removesuffix('level')}transform."
    if "native_pixels" in transform:  # of a camera, whose numbers have a place of their own
        others, place = transform, "camera."
    with _renamed({**{name: f"{place}{name}" for name in others}, **dict.fromkeys(names, key)}):
        yield


@contextlib.contextmanager
def _renamed(keys: Mapping[str, str]) -> Iterator[None]:
    """Calls by their keys what an error calls by the arguments of a constructor."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for argument, key in keys.items():
            text = re.sub(rf"`{re.escape(argument)}([.`])", rf"`{key}\1", text)
        raise ValueError(text) from error


def build_attacks(attack: Config) -> list[AttackPlan]:
    """The attacks of a choice of `attack`: one, several or none."""
    if attack.get("_target_", "several") is None:
        return []
    every = list(attack.several.values()) if "several" in attack else [attack]
    return [_build_attack(json.dumps(one)) for one in every if one is not None]


@functools.lru_cache(maxsize=256)
def _build_attack(described: str) -> AttackPlan:
    attack = Config.of(json.loads(described))
    if "perturbation" not in attack:
        return build(attack, without=[])
    perturbation = build_perturbation(attack.perturbation, key="attack.perturbation.level")
    through = json.dumps({} if perturbation is None else {"perturbation": attack.perturbation.transform})
    return build(attack, without=["perturbation"], perturbation=perturbation, described=through)


def task_of(config: Config) -> type[Task]:
    """The LightningModule for the run's task."""
    found = locate(config.task.module["_target_"])
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ParameterError("task.module._target_", "a class of robust.learn.Task", config.task.module["_target_"])
    return found


def build_task(config: Config, network: nn.Module) -> Task:
    """The LightningModule that trains a network for the run's task."""
    rate = config.lr_scheduler
    task = task_of(config)
    if not isinstance(network, task.networks) or (isinstance(network, Restoration) and not task.restores):
        raise ValueError(
            f"`task={config.task.name}` trains {' or '.join(one.__name__ for one in task.networks)}; got "
            f"`model={config.model.name}`. Leave `task` out: a model brings its own."
        )
    with _views(config.technique.get("objective"), "technique.objective"):
        objective = build(config.technique.objective) if "objective" in config.technique else None
    if objective is not None and not (hasattr(objective, "of_logits") and hasattr(objective, "moves")):
        target = config.technique.objective["_target_"]
        raise ParameterError("technique.objective._target_", "an Objective, which has `of_logits` and `moves`", target)
    if objective and not (issubclass(task, Classifier) if objective.of_logits else task.sees_images):
        raise ValueError(
            f"`technique={config.technique.name}` must be left out with `task={config.task.name}`, which "
            f"{'does not classify' if objective.of_logits else 'sees no image'}."
        )
    if objective and config.task.get("images") is not None and objective.moves:
        raise ValueError(
            f"`task={config.task.name}` asks where things are, and needs pictures that are not moved, as "
            f"`technique={config.technique.name}` does. Choose another technique."
        )
    keep_standardization = config.technique.start is not None and config.technique.head is None
    parts = {
        "model": network,
        "optimizer": build_optimizer(config.optimizer, _partial_=True),
        "lr_scheduler": build(rate, without=["name", "warmup_epochs"]) if rate is not None else None,
        "warmup_epochs": (rate or {}).get("warmup_epochs") or 0,
        "label_smoothing": config.label_smoothing or 0,
        "objective": objective,
    }
    with _views(config.task.module, "task.module"):
        return build(config.task.module, **parts, keep_standardization=keep_standardization, seed=config.seed)


def _views(node: Config | None, path: str) -> contextlib.AbstractContextManager[None]:
    views = node.get("views") if node else None
    return _renamed({str(name): f"{path}.views.{name}" for name in (views if isinstance(views, Mapping) else ())})


def build_schedule(config: Config) -> Schedule:
    """Which share of a batch is perturbed; for a technique without one, none."""
    share = config.technique.share
    return build(share) if share is not None else Constant(value=0)


def build_trainer(
    config: Config,
    *,
    title: str,
    checkpoint: Path,
    callbacks: Sequence[pl.Callback],
    logger: Logger | None = None,
    checkpoints: AtomicIO | None = None,
) -> pl.Trainer:
    """Lightning's Trainer. Raises ValueError where it cannot be made of the configuration's settings."""
    try:
        ours = ["threads", "channels_last", "compile", "keep", "patience", "ema"]
        make_it = build(config.trainer, without=ours, _partial_=True)
        return make_it(title=title, checkpoint=checkpoint, callbacks=callbacks, logger=logger, checkpoints=checkpoints)
    except Exception as error:
        raise ValueError(f"`trainer` cannot be made of these settings: {one_line(error)}") from error
