"""The configuration of a run, and of those that it starts from or is held against."""

import contextlib
import functools
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from robust.errors import explain_override, suggest

CONF = Path(__file__).parent.parent.parent / "conf"
#: beside config.yaml, which says all values: where values that refer to others still do
COMPOSED = "composed.yaml"
_MACHINE = ("accelerator", "checkpoint_every_s", "devices", "num_nodes", "progress", "threads")  # of the trainer's keys


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that `python train.py OVERRIDES` would run, also inside any program that uses Hydra itself.

    Of many compositions, those that choose the same files share Hydra's work: values are set in a copy, as Hydra sets
    them last of all.
    """
    with explained():
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = [one for one in parsed if _sets_a_value(one)]
    if any(one.is_sweep_override() for one in values):
        return _compose(tuple(overrides)).copy()
    config = _compose(tuple(one.input_line for one in parsed if one not in values)).copy()
    for one in values:
        try:
            OmegaConf.update(config, one.key_or_group, one.value())
        except OmegaConfBaseException:
            return _compose(tuple(overrides)).copy()  # fails too, with Hydra's message
    return config


def compose_each(settings: Sequence[str], *, perturb: str) -> list[DictConfig]:
    """A configuration for each perturbation that `settings`, as on the command line, name (perturb=noise,blur), else
    for those of `perturb`. Raises ValueError for none and for what no run could start with."""
    named = [one.partition("=")[2] for one in settings if one.startswith("perturb=")]
    others = [one for one in settings if not one.startswith("perturb=")]
    configs = [compose([*others, f"perturb={name}"]) for name in (named[-1] if named else perturb).split(",")]
    for config in configs:
        require_complete(config)
        if config.perturb.transform is None:
            raise ValueError("`perturb` must name perturbations; got none. Name some: perturb=shift,zoom.")
    return configs


def _sets_a_value(override: Override) -> bool:
    """Whether an override sets a value that is there, rather than adding, deleting or choosing a file."""
    return override.type is OverrideType.CHANGE and override.package is None and not _is_group(override.key_or_group)


@functools.cache
def _is_group(key: str) -> bool:
    return (CONF / key).is_dir()


@functools.lru_cache(maxsize=256)
def _compose(overrides: tuple[str, ...]) -> DictConfig:
    around = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with explained(), initialize_config_dir(str(CONF), version_base=None):
            return hydra_compose("train", list(overrides))
    finally:
        GlobalHydra.instance().hydra = around


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raises ValueError where Hydra refuses a configuration inside, with the nearest choice or key there is."""
    try:
        yield
    except HydraException as error:
        raise ValueError(explain_override(str(error), known_keys)) from error


def known_keys() -> list[str]:
    """Every key and group of the default configuration."""
    raw = OmegaConf.to_container(compose())
    assert isinstance(raw, dict)
    return [name for name, _ in leaves(raw)]


def recorded(folder: Path) -> DictConfig:
    """The configuration of the run in a folder, where values that refer to others still do, so that others can be set.
    Raises OSError where there is none."""
    composed = folder / COMPOSED
    config = OmegaConf.load(composed if composed.is_file() else folder / "config.yaml")  # of runs before there was one
    assert isinstance(config, DictConfig)
    return config


def reference(config: DictConfig) -> DictConfig:
    """The configuration of the natural run that a run is held against: of the same data, model, seed and settings."""
    natural = config.copy()
    natural.as_reference = False
    with open_dict(natural):
        natural.technique = _read(CONF / "technique" / "natural.yaml").technique
        natural.perturb = _read(CONF / "perturb" / "none.yaml")
        _leave_to_the_agent(natural)
    return natural


def pretext(config: DictConfig, task: str) -> DictConfig:
    """The configuration of the run without anybody's labels that a run starts from: of the same data, model, seed and
    settings; or that of the run in the folder `task`. Raises ValueError for what is neither."""
    if is_run(task):
        return _brought_here(Path(task), config)
    raw = {file.stem: _read(file) for file in (CONF / "task").glob("*.yaml")}
    known = sorted(name for name, content in raw.items() if is_pretext(content.get("task", content)))
    if task not in known:
        raise ValueError(
            f"`technique.start` must be null, natural, a task without labels ({', '.join(known)}) or the folder of a "
            f"run; got {task}.{suggest(task, known)}"
        )
    other = reference(config)
    with open_dict(other):
        other.task = compose([f"task={task}"]).task
        other.data.labels = None
        other.evaluation.natural_adversarial = None
        other.attack = _read(CONF / "attack" / "none.yaml")
    return other


def _brought_here(folder: Path, config: DictConfig) -> DictConfig:
    """The configuration of the run in a folder, on the machine and with the data of the run of `config`."""
    other = recorded(folder)
    with open_dict(other):
        other.runs_dir = str(folder.absolute().parent)
        other.logger = config.logger
        for name in _MACHINE:
            other.trainer[name] = config.trainer[name]
        for node in (other.data, other.data.source):
            for name in {"dir", "cache_dir"} & set(node):
                node[name] = config.data[name]
    return other


def is_run(start: object) -> bool:
    """Whether that is the folder of a run."""
    return isinstance(start, str) and (Path(start) / "config.yaml").is_file()


def start_title(config: DictConfig) -> str:
    """What learning without labels a run starts from, in words: a task, or that of the run in a folder; "" for none."""
    start = config.technique.start
    if start in (None, "natural"):
        return ""
    if not is_run(start):
        return str(start)
    other = recorded(Path(start))
    return f"{other.task.name} of {other.data.name}"


def is_pretext(task: DictConfig) -> bool:
    """Whether images label themselves for a task."""
    raw = OmegaConf.to_container(task)
    assert isinstance(raw, dict)
    return raw.get("recipe") == "pretext"


def _leave_to_the_agent(config: DictConfig) -> None:
    """Has nobody told of a run where an agent's process is one W&B run, which is not this one."""
    if "WANDB_SWEEP_ID" in os.environ:
        config.logger = _read(CONF / "logger" / "none.yaml")


def stage(config: DictConfig, model: str) -> DictConfig:
    """The configuration of the run, of another model and its task, that a part of a run's network starts from: of the
    same data, technique, seed and settings, those of the model too where both have them."""
    other, own = config.copy(), compose([f"model={model}"])
    other.as_reference = False
    with open_dict(other):
        other.task, other.model = own.task, own.model
        if "none" in other.data:
            other.data.none = "${task.none}"
        _leave_to_the_agent(other)
    raw = OmegaConf.to_container(config.model)
    assert isinstance(raw, dict)
    for name in set(own.model) & set(config.model) - {"name", "_target_"}:
        OmegaConf.update(other.model, str(name), raw[name])
    return other


@functools.cache
def _read(file: Path) -> DictConfig:
    content = OmegaConf.load(file)
    assert isinstance(content, DictConfig)
    return content


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


def plain(node: DictConfig, *, without: Container[str] = ()) -> dict[str, Any]:
    """A configuration node, resolved, as ordinary values, less some of its keys."""
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items() if name not in without}


def model_name(model: DictConfig) -> str:
    """What to call a network: its name, and what was set otherwise than in the file of that name."""
    file = CONF / "model" / f"{model.name}.yaml"
    content = _read(file) if file.is_file() else model
    usual, raw = (OmegaConf.to_container(node) for node in (content.get("model", content), model))
    assert isinstance(usual, dict)
    assert isinstance(raw, dict)
    changed = [f"{name}={value}" for name, value in plain(model).items() if usual.get(name) != raw[name]]
    return " ".join([model.name, *changed])


def tested_families(config: DictConfig) -> list[str]:
    """The families that a run is tested under, with its own where there are tests of that."""
    evaluation, own = config.evaluation, config.perturb.family
    known = {perturb.family for perturb in evaluation.conditions.values()}
    return [*evaluation.families, *([own] if evaluation.own_family and own in known else [])]
