"""The settings of runs: in which of them runs differ."""

import functools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml  # type: ignore[import-untyped]

from robust.runs.folder import RunFolder
from robust.runs.identity import counted, counts

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C it is ten times as fast
_GROUP = re.compile(r"^(?=[A-Za-z_])", re.MULTILINE)  # where the next of a configuration's groups begins
_MOST_BYTES = 1_000_000  # of a configuration
_MOST = 2000  # settings of one, and values of a list
_SEED = "seed"
_JUDGING = ("val_perturbed_accuracy", "val_accuracy")  # of an epoch, what says whether it is the best
_NAMED = ("data", "model", "technique", "perturb", "restore", "adapt")
_OF_RECIPE = {  # settings that a recipe has, and what it calls them
    "trainer.max_epochs": "max_epochs",
    "data.batch_size": "batch_size",
    "optimizer._target_": "optimizer",
    "optimizer.lr": "lr",
    "optimizer.momentum": "momentum",
    "optimizer.weight_decay": "weight_decay",
}


def is_setting(key: str, config: Mapping[str, Any]) -> bool:
    """Whether a dotted key of a run's configuration makes runs differ by more than what their names say: data, model,
    technique, perturbation and seed."""
    return counts(key, config) and key not in (_SEED, *(f"{group}.name" for group in _NAMED), "perturb.level")


def read_settings(folder: Path) -> Mapping[str, str]:
    """The settings of a run that make it what it is, as text, by their dotted names; none where there is no
    configuration that can be read. They are not resolved, and nothing is made of them."""
    return _read_once(folder)[0]


def setting(folder: Path, key: str) -> str:
    """One of a run's settings, of whatever kind, by its dotted name; "" where there is none, or it is null."""
    value = _read_once(folder)[2].get(key, "")
    return "" if value == "null" else value


def given_settings(folder: Path) -> list[str]:
    """What the command of a run set that made it what it is, such as "optimizer=sgd"; beyond what its name says."""
    return list((RunFolder(folder).read_record() or {}).get("settings", []))


def keeps_best(folder: Path) -> bool:
    """Whether a run keeps the weights of its best epoch."""
    return setting(folder, "trainer.keep") == "best"


def kept_epoch(folder: Path) -> str:
    """After which of its epochs a run's weights were kept, such as "6 of 11 epochs"; "" where they are the last."""
    curve = RunFolder(folder).read_metrics() if keeps_best(folder) else None
    judged = [name for name in _JUDGING if curve is not None and name in curve]
    if curve is None or not judged:
        return ""
    accuracy = pd.to_numeric(curve[judged[0]], errors="coerce").fillna(-1)
    return f"{accuracy.argmax() + 1} of {len(curve)} epochs"


def beside_recipe(folder: Path) -> Mapping[str, str]:
    """Of a run's settings those of its training that are other than its recipe's, such as {"trainer.max_epochs":
    "2"}."""
    return _read_once(folder)[1]


def _read_once(folder: Path) -> tuple[Mapping[str, str], ...]:
    path = RunFolder(folder).config
    try:
        stat = path.stat()
        return _read(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return {}, {}, {}


@functools.lru_cache(maxsize=20_000)  # a page's sections ask for the same ones
def _read(path: Path, size: int, _: int) -> tuple[Mapping[str, str], ...]:
    """What is in a file of this size that was written at this time: what makes the run, of that what is beside its
    recipe, and all."""
    if size > _MOST_BYTES:
        return {}, {}, {}
    try:
        groups = map(_group, _GROUP.split(path.read_text(encoding="utf-8")))
        config = {name: value for one in groups for name, value in one.items()}
        found = dict(_settings(config))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}, {}, {}
    making = {name: found[name] for name in counted(found, config) if name != _SEED}
    return making, _beside_recipe(found), found


@functools.lru_cache(maxsize=4096)  # most runs have most of them in common
def _group(text: str) -> Mapping[Any, Any]:
    found = yaml.load(text, Loader=_Loader) or {}  # noqa: S506, both are safe
    if not isinstance(found, Mapping):
        raise yaml.YAMLError("no settings")
    return found


def _beside_recipe(settings: Mapping[str, str]) -> dict[str, str]:
    stage = f"recipe.{settings.get('task.stage')}"
    usual = {key: settings.get(f"{stage}.{name}", settings.get(key)) for key, name in _OF_RECIPE.items()}
    return {key: settings[key] for key, value in usual.items() if key in settings and settings[key] != value}


def differing_settings(read: Mapping[Any, Mapping[str, str]]) -> pd.DataFrame:
    """The settings in which runs differ: a column for each, by its dotted name, a row for each run that was `read` (see
    `read_settings`), by the same keys; "" where a run has no such setting."""
    names = dict.fromkeys(name for one in read.values() for name in one)
    differing = [name for name in names if len({one.get(name, "null") for one in read.values()}) > 1]  # none: as null
    return pd.DataFrame([[one.get(name, "") for name in differing] for one in read.values()], [*read], differing)


def with_settings(rows: pd.DataFrame, folders: Iterable[Path]) -> pd.DataFrame:
    """Rows with a column for each setting in which their runs differ, by its dotted name, such as `optimizer.lr`; of
    runs that differ by their seed alone one configuration is read."""
    places = {folder.name: folder for folder in folders}
    runs = rows[rows["run"].isin(places)].drop_duplicates("kind")
    found = differing_settings({run.kind: read_settings(places[run.run]) for run in runs.itertuples()})
    known = [name for name in found if name not in rows]
    return pd.concat([rows, found[known].reindex(rows["kind"]).set_axis(rows.index)], axis=1)


def _settings(node: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Every value in nested mappings as text. Raises ValueError for more than a run has."""
    left = [("", node)]
    for _ in range(_MOST):
        if not left:
            return
        path, one = left.pop(0)
        for name, value in one.items():
            key = f"{path}{name}"
            if isinstance(value, Mapping) and value:
                left.append((f"{key}.", value))
            elif len(left) > _MOST:
                raise ValueError("more settings than a run has")
            else:
                yield sys.intern(key), sys.intern(_text(value))  # most runs have the same
    raise ValueError("more settings than a run has")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(str(one) if not isinstance(one, list | dict) else '...' for one in value[:_MOST])}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
