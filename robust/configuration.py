"""From a configuration to the parts that it describes."""

import contextlib
import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
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
    raw = OmegaConf.to_container(config)
    assert isinstance(raw, dict)
    if missing := [name for name, value in leaves(raw) if value == "???"]:
        raise ValueError(f"`{missing[0]}` must be given: {missing[0]}=VALUE.")


def leaves(node: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in nested mappings, with its dotted name; mappings themselves too."""
    for name, value in node.items():
        yield f"{path}{name}", value
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{name}.")


def plain(node: DictConfig, *, without: str | None = None) -> dict[str, Any]:
    """A configuration node, resolved, as ordinary values."""
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items() if name != without}


def model_name(model: DictConfig) -> str:
    """What to call a network: its name, and what was set otherwise than in the file of that name."""
    file = CONF / "model" / f"{model.name}.yaml"
    usual = plain(OmegaConf.load(file)) if file.is_file() else plain(model)  # type: ignore[arg-type]
    changed = [f"{name}={value}" for name, value in plain(model).items() if usual.get(name) != value]
    return " ".join([model.name, *changed])


def build(node: DictConfig, **arguments: Any) -> Any:
    """The object that a configuration node describes; `arguments` are added. A `name` is for people."""
    return _make(plain(node, without="name"), **arguments)


def _make(description: Mapping[str, Any], **arguments: Any) -> Any:
    """Hydra's `instantiate`, but what the constructor raises comes out as it was raised."""
    try:
        return instantiate(description, **arguments, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


def build_splits(data: DictConfig) -> Splits:
    """The data set's images; the same ones at the second time."""
    return _read_splits(json.dumps(plain(data.source), sort_keys=True))


@functools.lru_cache(maxsize=2)
def _read_splits(source: str) -> Splits:
    return _make(json.loads(source))


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
    with as_level(perturb):
        return build(node.transform)


@contextlib.contextmanager
def as_level(perturb: DictConfig) -> Iterator[None]:
    """Calls by its key what a perturbation's error calls by its constructor's argument."""
    raw = OmegaConf.to_container(perturb)
    assert isinstance(raw, dict)
    arguments = [name for name, value in (raw["transform"] or {}).items() if value == "${..level}"]
    try:
        yield
    except ValueError as error:
        text = str(error)
        for argument in arguments:
            text = text.replace(f"`{argument}`", "`perturb.level`")
        raise ValueError(text) from error


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
