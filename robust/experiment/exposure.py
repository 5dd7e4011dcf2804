"""What went into the training of a run: its own, and that of the runs that it starts from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.data.store import MANIFEST
from robust.experiment.build import build, make
from robust.experiment.parents import learns
from robust.experiment.rules import locate
from robust.measure.exposure import UNKNOWN
from robust.perturb import Perturbation, made_of, operations
from robust.runs.config import Config, everything
from robust.runs.formats import read_parquet

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment

#: of a self-supervised task, what it does to the pictures itself
_OF_TASKS = {"rotation": ("rotate",), "patches": ("shift",)}


def trained_on(run: "Experiment") -> dict[str, str]:
    """The operations that went into the training of a run's network, each with its family (see
    `robust.perturb.made_of`): perturbations, augmentations, views and stored perturbed images, of the run and of those
    that it starts from. UNKNOWN is among them where weights come from others, whose training nobody knows."""
    if run.where:
        recorded = (run.files.read_record() or {}).get("trained_on")
        if recorded is not None:
            return dict(recorded)
    found = {**made_of(run.perturbation), **_of_config(run.config)}
    lost = run.where is not None and run.config.technique.start is not None
    if lost or run.config.weights is not None or (not run.parents and not learns(run.config)):
        found[UNKNOWN] = UNKNOWN
    for parent in run.parents.values():
        found |= trained_on(parent)
    return found


def _of_config(config: Config) -> dict[str, str]:
    """What a configuration does to training images beside `perturb`."""
    if not learns(config):
        return {}
    found = operations(*_OF_TASKS.get(config.task.name, ()))
    if config.data.augment is not None:
        found |= made_of(build(config.data.augment))
    for node in _called({"objective": config.technique.get("objective"), "module": config.task.module}):
        called = locate(str(node["_target_"]))
        if isinstance(called, type) and issubclass(called, Perturbation):
            found |= made_of(make(node))
        elif isinstance(said := getattr(called, "made_of", None), Mapping):
            found |= said
    return found | operations(*_stored(config.data.get("path")))


def _called(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (value for _, value in everything(node) if isinstance(value, Mapping) and "_target_" in value)


def _stored(path: object) -> list[str]:
    """The perturbations of the training images in a folder that `robust store` wrote."""
    manifest = Path(str(path)) / MANIFEST
    if not path or not manifest.is_file():
        return []
    lines = read_parquet(manifest, ["part", "perturbation"], ["part", "perturbation"])
    names = lines.loc[lines["part"] == "train", "perturbation"].unique()
    return [str(name) for name in names if name != "natural"]
