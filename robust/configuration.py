"""From a configuration to the parts that it describes."""

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from robust.data import Splits
from robust.measure import Condition
from robust.perturb import Perturbation

CONF = Path(__file__).parent.parent / "conf"


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that `python train.py OVERRIDES` would run, for use without the command."""
    if GlobalHydra.instance().is_initialized():
        return hydra_compose("train", list(overrides))
    with initialize_config_dir(str(CONF), version_base=None):
        return hydra_compose("train", list(overrides))


def require_complete(config: DictConfig) -> None:
    """Raises ValueError where a value is still to be given."""
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ValueError(f"`{missing[0]}` must be given: {missing[0]}=VALUE.")


def plain(node: DictConfig, *, without: str | None = None) -> dict[str, Any]:
    """A configuration node, resolved, as ordinary values."""
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items() if name != without}


def build(node: DictConfig, **arguments: Any) -> Any:
    """The object that a configuration node describes; `arguments` are added. A `name` is for people."""
    return instantiate(plain(node, without="name"), **arguments, _convert_="all")


def build_splits(data: DictConfig) -> Splits:
    """The data set's images; the same ones at the second time."""
    return _read_splits(json.dumps(plain(data.source), sort_keys=True))


@functools.lru_cache(maxsize=2)
def _read_splits(source: str) -> Splits:
    return instantiate(json.loads(source), _convert_="all")


def build_perturbation(perturb: DictConfig, level: float | None = None) -> Perturbation | None:
    """The perturbation of a `conf/perturb` choice, at its own level or at another; None for `perturb=none`."""
    node = OmegaConf.create({"perturb": OmegaConf.to_container(perturb)}).perturb
    if level is not None:
        node.level = level
    if node.transform is None:
        if node.level != 0:
            raise ValueError(
                f"`perturb.level` must be left out with `perturb=none`; got {node.level}. "
                "Name a perturbation, or give no level."
            )
        return None
    try:
        return instantiate(node.transform, _convert_="all")
    except ValueError as error:
        raise ValueError(str(error).replace(f"`{_level_name(node)}`", "`perturb.level`")) from error


def _level_name(perturb: DictConfig) -> str:
    """The constructor's argument that a perturbation's configuration calls its level."""
    raw = OmegaConf.to_container(perturb.transform)
    assert isinstance(raw, dict)
    return next((str(name) for name, value in raw.items() if value == "${..level}"), "level")


def build_conditions(evaluation: DictConfig, own_family: str | None = None) -> list[Condition]:
    """What `conf/evaluation` says a model is tested under: natural images, then each chosen perturbation at each of its
    levels.

    Chosen are the perturbations of `own_family`, if `evaluation.own_family` asks for that and there are any, else those
    of `evaluation.families`. Nothing at all with `evaluation=none`.
    """
    if evaluation.levels is None:
        return []
    if evaluation.trials != int(evaluation.trials) or evaluation.trials < 1:
        raise ValueError(f"`evaluation.trials` must be a whole number >= 1; got {evaluation.trials}.")
    if evaluation.batch_size < 1:
        raise ValueError(f"`evaluation.batch_size` must be at least 1; got {evaluation.batch_size}.")
    known = {perturb.family for perturb in evaluation.conditions.values()}
    if unknown := set(evaluation.families) - known:
        raise ValueError(
            f"`evaluation.families` must be among {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}."
        )
    chosen = [own_family] if evaluation.own_family and own_family in known else evaluation.families
    conditions = [Condition()]
    for name, perturb in evaluation.conditions.items():
        if perturb.family in chosen:
            conditions += [Condition(build_perturbation(perturb, level)) for level in evaluation.levels.get(name) or ()]
    return conditions


def check_numbers(config: DictConfig) -> None:
    """Raises ValueError for numbers that no run can start with."""
    rules = {"trainer.max_epochs": 1, "data.batch_size": 1, "seed": 0, "trainer.threads": 1}
    for name, least in rules.items():
        value = OmegaConf.select(config, name)
        if value is None and name == "trainer.threads":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` must be a whole number >= {least}; got {value}.")
    lr = OmegaConf.select(config, "optimizer.lr")
    if lr is not None and not (isinstance(lr, int | float) and math.isfinite(lr) and lr > 0):
        raise ValueError(f"The learning rate must be a number > 0; got {lr}.")
