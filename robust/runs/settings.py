"""The settings of runs: in which of them runs differ."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml  # type: ignore[import-untyped]

from robust.runs.folder import RunFolder
from robust.runs.identity import counts

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C it is ten times as fast
_MOST_BYTES = 1_000_000  # of a configuration
_MOST = 2000  # settings of one, and values of a list
_SEED = "seed"
_NAMED = ("data", "model", "technique", "perturb")


def is_setting(key: str, config: Mapping[str, Any]) -> bool:
    """Whether a dotted key of a run's configuration makes runs differ by more than what their names say: data, model,
    technique, perturbation and seed."""
    return counts(key, config) and key not in (_SEED, *(f"{group}.name" for group in _NAMED), "perturb.level")


def read_settings(folder: Path) -> dict[str, str]:
    """The settings of a run that make it what it is, as text, by their dotted names; none where there is no
    configuration that can be read. They are not resolved, and nothing is made of them."""
    path = RunFolder(folder).config
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        config = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506, both are safe
        if not isinstance(config, Mapping):
            return {}
        found = dict(_settings(config))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return {name: value for name, value in found.items() if counts(name, config) and name != _SEED}


def differing_settings(folders: Iterable[Path]) -> pd.DataFrame:
    """The settings in which these runs differ: a column for each, by its dotted name, a row for each of `folders`; ""
    where a run has no such setting."""
    folders = list(folders)
    read = {folder: read_settings(folder) for folder in folders}
    names = dict.fromkeys(name for one in read.values() for name in one)
    differing = [name for name in names if len({one.get(name, "null") for one in read.values()}) > 1]  # none: as null
    return pd.DataFrame([[read[folder].get(name, "") for name in differing] for folder in folders], folders, differing)


def with_settings(rows: pd.DataFrame, folders: Iterable[Path]) -> pd.DataFrame:
    """Rows with a column for each setting in which their runs differ, by its dotted name, such as `optimizer.lr`; of
    runs that differ by their seed alone one configuration is read."""
    places = {folder.name: folder for folder in folders}
    runs = rows[rows["run"].isin(places)].drop_duplicates("kind")
    found = differing_settings(places[run] for run in runs["run"])
    found.index = pd.Index(runs["kind"])
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
                yield key, _text(value)
    raise ValueError("more settings than a run has")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(str(one) if not isinstance(one, list | dict) else '...' for one in value[:_MOST])}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
