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
from omegaconf import DictConfig, OmegaConf, open_dict

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


def reference(config: DictConfig) -> DictConfig:
    """The configuration of the natural run that a run is held against: of the same data, model, seed and settings."""
    natural = config.copy()
    with open_dict(natural):
        natural.technique = OmegaConf.load(CONF / "technique" / "natural.yaml").technique
        natural.perturb = OmegaConf.load(CONF / "perturb" / "none.yaml")
    return natural


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


def build_perturbation(
    perturb: DictConfig, level: float | None = None, *, key: str = "perturb.level"
) -> Perturbation | None:
    """The perturbation of a `conf/perturb` choice, at its own level or at another; None for `perturb=none`.

    Errors call the level by `key`.
    """
    node = OmegaConf.create({"perturb": OmegaConf.to_container(perturb)}).perturb
    if level is not None:
        node.level = level
    if node.transform is None:
        if node.level != 0:
            raise ValueError(
                f"`{key}` must be left out with `perturb=none`; got {node.level}. Name a perturbation, or no level."
            )
        return None
    with as_level(perturb, key):
        return build(node.transform)


@contextlib.contextmanager
def as_level(perturb: DictConfig, key: str = "perturb.level") -> Iterator[None]:
    """Calls by its key what a perturbation's error calls by its constructor's argument."""
    raw = OmegaConf.to_container(perturb)
    assert isinstance(raw, dict)
    arguments = [name for name, value in (raw["transform"] or {}).items() if value == "${..level}"]
    try:
        yield
    except ValueError as error:
        text = str(error)
        for argument in arguments:
            text = text.replace(f"`{argument}`", f"`{key}`")
        raise ValueError(text) from error


def build_conditions(
    evaluation: DictConfig, shape: tuple[int, int, int], own_family: str | None = None
) -> list[Condition]:
    """What `conf/evaluation` says: natural images, then each chosen perturbation at each of its levels.

    Chosen are the perturbations of `own_family`, if `evaluation.own_family` asks for that and there are any, else those
    of `evaluation.families`. Nothing at all with `evaluation=none`. Raises ValueError for what images of `shape`
    (channels, height, width) cannot be tested under.
    """
    if evaluation.levels is None:
        return []
    known = {perturb.family for perturb in evaluation.conditions.values()}
    if unknown := set(evaluation.families) - known:
        raise ValueError(
            f"`evaluation.families` must be among {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}."
        )
    chosen = [own_family] if evaluation.own_family and own_family in known else evaluation.families
    conditions = [Condition()]
    for name, perturb in evaluation.conditions.items():
        key = f"evaluation.levels.{name}"
        for level in (evaluation.levels.get(name) or ()) if perturb.family in chosen else ():
            with as_level(perturb, key):
                conditions.append(Condition(build_perturbation(perturb, level, key=key)))
                conditions[-1].check(shape)
    return conditions


_LEAST = {
    "data.batch_size": 1,
    "evaluation.batch_size": 1,
    "evaluation.seed": 0,
    "evaluation.trials": 1,
    "seed": 0,
    "trainer.max_epochs": 1,
    "trainer.threads": 1,
    "workers": 1,
}


def check_numbers(config: DictConfig) -> None:
    """Raises ValueError for numbers that no run can start with."""
    for name, least in _LEAST.items():
        value = OmegaConf.select(config, name)
        if value is None and name == "trainer.threads":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` must be a whole number >= {least}; got {value}.")
    lr = OmegaConf.select(config, "optimizer.lr")
    if not (isinstance(lr, int | float) and math.isfinite(lr) and lr > 0):
        raise ValueError(f"`optimizer.lr` must be a number > 0; got {lr}.")
