"""What went into the training of a run: its own, and that of the runs that it starts from."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from torch import nn

from robust.data.store import MANIFEST
from robust.experiment.build import build, make
from robust.experiment.parents import learns
from robust.experiment.rules import locate
from robust.measure import Condition
from robust.measure.distance import Change, sample_distances
from robust.measure.exposure import UNKNOWN
from robust.perturb import Perturbation, made_of, operations
from robust.runs.config import Config, everything
from robust.runs.distances import DISTANCES, read_distances
from robust.runs.formats import read_parquet

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment

_log = logging.getLogger(__name__)
#: of a self-supervised task, what it does to the pictures itself
_OF_TASKS = {"rotation": ("rotate",), "patches": ("shift",)}


class _Part(NamedTuple):
    """Something that a training does to images: the operations that it is made of, and what does it, where that can be
    asked to."""

    made_of: Mapping[str, str]
    change: Change | None = None


def trained_on(run: "Experiment") -> dict[str, str]:
    """The operations that went into the training of a run's network, each with its family (see
    `robust.perturb.made_of`): perturbations, augmentations, views and stored perturbed images, of the run and of those
    that it starts from. UNKNOWN is among them where weights come from others, whose training is not known."""
    if run.where and (recorded := (run.files.read_record() or {}).get("trained_on")) is not None:
        return dict(recorded)
    return {name: family for part in _parts(run) for name, family in part.made_of.items()}


def distances_missing(run: "Experiment") -> list[Condition]:
    """The conditions whose distance from the training this evaluation asks for, and that was not measured yet."""
    if not run.config.evaluation.get("distance"):
        return []
    known = read_distances(run.files) if run.files.has_extras([DISTANCES]) else None
    made = set() if known is None else {*zip(known["test_perturbation"], known["test_level"], strict=True)}
    return [one for one in run.conditions if one.perturbation is not None and (one.name, one.level) not in made]


def measure_distances(run: "Experiment", missing: Sequence[Condition], natural: nn.Module) -> None:
    """Measures how far the training lies from these conditions, in the features of the `natural` network that the run
    is compared with, and keeps it beside what is known. NaN, which is said, where not all of the training can be done
    to images again: others' weights, stored images, a task of its own."""
    parts, settings = _parts(run), run.config.evaluation
    changes = [part.change for part in parts if part.change is not None]
    title = f"distances of {run.identity.title}" if run.config.trainer.progress else None
    found = pd.DataFrame([(one.name, one.level) for one in missing], columns=["test_perturbation", "test_level"])
    if len(changes) < len(parts):
        _log.warning("no distance: not all of the training can be done again (others' weights, stored images, a task)")
        found = found.assign(distance=float("nan"), natural_distance=float("nan"), minimal_distance=float("nan"))
    else:
        found = sample_distances(natural, run.splits.test, missing, changes, seed=settings.seed, title=title)
    known = read_distances(run.files) if run.files.has_extras([DISTANCES]) else None
    run.files.write_extras({DISTANCES: found if known is None else pd.concat([known, found], ignore_index=True)})


def _parts(run: "Experiment") -> list[_Part]:
    """All that the training of a run, and of those that it starts from, did to images."""
    config, found = run.config, []
    if run.perturbation is not None:
        found.append(_Part(run.perturbation.made_of, run.perturbation))
    lost = run.where is not None and config.technique.start is not None  # what that was is not kept
    if lost or config.weights is not None or (not run.parents and not learns(config)):
        found.append(_Part({UNKNOWN: UNKNOWN}))
    own = _of_config(config) if learns(config) else []
    return [*found, *own, *(part for parent in run.parents.values() for part in _parts(parent))]


def _of_config(config: Config) -> Iterator[_Part]:
    """What a configuration does to training images beside `perturb`."""
    if names := _OF_TASKS.get(config.task.name):
        yield _Part(operations(*names))
    if config.data.augment is not None:
        augmentation = build(config.data.augment)
        yield _Part(made_of(augmentation), augmentation)
    for node in _called({"objective": config.technique.get("objective"), "module": config.task.module}):
        called = locate(str(node["_target_"]))
        if isinstance(called, type) and issubclass(called, Perturbation):
            views = make(node)
            yield _Part(views.made_of, views)
        elif isinstance(said := getattr(called, "made_of", None), Mapping):
            yield _Part(said)
    if stored := _stored(config.data.get("path")):
        yield _Part(operations(*stored))


def _called(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (value for _, value in everything(node) if isinstance(value, Mapping) and "_target_" in value)


def _stored(path: object) -> Sequence[str]:
    """The perturbations of the training images in a folder that `robust store` wrote."""
    manifest = Path(str(path)) / MANIFEST
    if not path or not manifest.is_file():
        return ()
    lines = read_parquet(manifest, ["part", "perturbation"], ["part", "perturbation"])
    names = lines.loc[lines["part"] == "train", "perturbation"].unique()
    return [str(name) for name in names if name != "natural"]
