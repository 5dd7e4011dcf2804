"""What no run can start with."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from robust.data import Splits
from robust.experiment.compose import is_pretext
from robust.perturb import Perturbation

_LEAST = {
    "data.batch_size": 1,
    "evaluation.batch_size": 1,
    "evaluation.seed": 0,
    "evaluation.trials": 1,
    "seed": 0,
    "trainer.max_epochs": 1,
    "trainer.num_nodes": 1,
    "trainer.threads": 1,
}
_SWITCHES = (
    "data.download",
    "data.none",
    "data.shuffle",
    "evaluation.own_family",
    "perturb.fresh",
    "plan",
    "trainer.channels_last",
    "trainer.progress",
)
_MODES = (None, "default", "reduce-overhead", "max-autotune")
_FEWEST_CLASSES = 2
_MAY_DIFFER = ("dropout", "name", "standardize")  # of a network and of what it starts from
_WORDS = ("data.dir", "data.path", "evaluation.natural_adversarial", "runs_dir")


def check_values(config: DictConfig) -> None:
    """Raises ValueError for values that no run can start with."""
    for name, least in _LEAST.items():
        value = OmegaConf.select(config, name)
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
        _demand(whole or (value is None and name == "trainer.threads"), name, f"a whole number >= {least}", value)
    devices = config.trainer.devices
    counted = isinstance(devices, int) and not isinstance(devices, bool) and devices >= 1
    _demand(counted or devices == "auto", "trainer.devices", "a whole number >= 1, or auto (all GPUs)", devices)
    pack = config.pack
    packed = isinstance(pack, int) and not isinstance(pack, bool) and pack >= 1
    _demand(packed or pack == "auto", "pack", "a whole number >= 1, or auto (as many runs as are fastest)", pack)
    if devices != 1 and pack != 1:
        raise ValueError(
            f"`pack` must be 1 where a run takes several devices (trainer.devices={devices}); got {pack}. Runs that "
            "are packed share one."
        )
    mode = OmegaConf.select(config, "trainer.compile")
    _demand(mode in _MODES, "trainer.compile", f"null or one of {', '.join(filter(None, _MODES))}", mode)
    for name in _SWITCHES:
        value = OmegaConf.select(config, name, default=False)
        _demand(isinstance(value, bool), name, "true or false", value)
    for name in _WORDS:
        value = OmegaConf.select(config, name, default=".")
        optional = value is None and name == "evaluation.natural_adversarial"
        _demand(isinstance(value, str) or optional, name, "a folder", value)
    for name, rule in (("optimizer.lr", "a number > 0"), ("trainer.checkpoint_every_s", "a number >= 0")):
        value = OmegaConf.select(config, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        _demand(number and (value > 0 or (value == 0 and ">=" in rule)), name, rule, value)
    _check_evaluation(config.evaluation)


def _check_evaluation(evaluation: DictConfig) -> None:
    families, levels = evaluation.families, evaluation.levels
    _demand(isinstance(families, ListConfig), "evaluation.families", "a list such as [noise, blur]", families)
    _demand(levels is None or isinstance(levels, DictConfig), "evaluation.levels", "lists by name", levels)
    for name, values in (levels or {}).items():
        _demand(isinstance(values, ListConfig), f"evaluation.levels.{name}", "a list such as [0.05]", values)


def _demand(fulfilled: bool, name: str, rule: str, value: object) -> None:
    if not fulfilled:
        raise ValueError(f"`{name}` must be {rule}; got {value}.")


def check_technique(config: DictConfig, perturbation: Perturbation | None) -> None:
    """Raises ValueError unless the technique has a perturbation exactly if it needs one."""
    technique = config.technique
    if perturbation and config.perturb.fresh and not perturbation.random:
        raise ValueError(f"`perturb.fresh` must be false with `perturb={perturbation.name}`: nothing in it is random.")
    if perturbation and technique.share is None:
        raise ValueError(
            f"`technique={technique.name}` trains on unperturbed images; got `perturb={perturbation.name}`. "
            "Leave `perturb` out, or choose another technique."
        )
    if not perturbation and technique.share is not None:
        raise ValueError(
            f"`technique={technique.name}` needs a perturbation; got `perturb=none`. "
            "For unperturbed images: `technique=natural`."
        )


def check_task(
    config: DictConfig,
    splits: Splits,
    perturbation: Perturbation | None,
    *,
    needs: Sequence[str],
    least_batch: int = 1,
) -> None:
    """Raises ValueError where the images lack classes or what else the task `needs` to know of them, a batch holds too
    few, a perturbation would make another answer right, or it and the data differ in what there is."""
    missing = [name for name in needs if name not in splits.train.extras]
    if missing:
        raise ValueError(
            f"`task={config.task.name}` needs images of which {', '.join(missing)} are known, as of `data=scenes`; got "
            f"`data={config.data.name}`."
        )
    if config.task.name == "classify" and len(splits.train.classes) < _FEWEST_CLASSES:
        raise ValueError(
            f"`task=classify` needs images of at least two classes; got {', '.join(splits.train.classes)} alone. "
            "Networks learn without classes too: task=rotation, patches or simclr."
        )
    if config.data.batch_size < least_batch:
        raise ValueError(
            f"`data.batch_size` must be at least {least_batch} with `task={config.task.name}`, which compares images; "
            f"got {config.data.batch_size}."
        )
    outputs = config.task.get("outputs", 1)
    _demand(isinstance(outputs, int) and outputs >= 1, "task.outputs", "a whole number >= 1, of the head", outputs)
    if is_pretext(config.task) and config.technique.start is not None:
        raise ValueError(
            f"`task={config.task.name}` is learnt from the start; got `technique={config.technique.name}`, which goes "
            "on from another run. Leave `technique` out."
        )
    if is_pretext(config.task) and config.data.get("labels") is not None:
        raise ValueError(
            f"`data.labels` must be left out with `task={config.task.name}`, which needs none; got "
            f"{config.data.labels}."
        )
    if config.task.get("images") is not None and perturbation and perturbation.moves:
        raise ValueError(
            f"`task={config.task.name}` asks where things are, and needs pictures that are not moved; got "
            f"`perturb={perturbation.name}`. Choose noise, blur or faulty pixels, or leave it out."
        )
    none = config.data.get("none", config.task.none)
    if none != config.task.none and config.task.name != "classify":
        raise ValueError(f"`data.none` must be left out with `task={config.task.name}`, which sets it; got {none}.")
    named, known = config.model.get("parameters"), config.data.get("parameters")
    if named is not None and known is not None and list(named) != list(known):
        raise ValueError(
            f"`model.parameters` must be those of the data, {', '.join(known)}; got {', '.join(named)}. Set "
            "`data.parameters`."
        )


def check_start(config: DictConfig, other: DictConfig, folder: Path) -> None:
    """Raises ValueError where the run that another starts from is not in the `folder` of its settings, or has another
    network, even where its weights would fit: a stride is none of them."""
    start = config.technique.start
    if folder != Path(start).absolute():
        raise ValueError(
            f"`technique.start` must name a run's folder as it was made; by its settings {start} would be {folder}. "
            "Give it its name again, or leave `technique.start` to a task."
        )
    known = [name for name in config.model if name in other.model and name not in _MAY_DIFFER]
    if differ := [str(name) for name in known if config.model[name] != other.model[name]]:
        own, its = (", ".join(f"model.{name}={one.model[name]}" for name in differ) for one in (config, other))
        raise ValueError(
            f"`technique.start` must be a run of the same network; got {start}, which has {its}, where this has {own}."
        )


def check_writable(runs_dir: Path) -> None:
    """Raises ValueError where runs cannot be kept."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs_dir):
            pass
    except OSError as error:
        raise ValueError(
            f"`runs_dir` must be a folder that can be written to; got {runs_dir} ({error.strerror}). "
            "Give another: runs_dir=FOLDER."
        ) from error
