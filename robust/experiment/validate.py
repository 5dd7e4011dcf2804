"""What a configuration must fulfil: a table of rules for single keys, then those that hold between several."""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robust.data import Splits
from robust.experiment.parents import is_self_supervised
from robust.perturb import Perturbation
from robust.runs.config import Config

_MODES = ("default", "reduce-overhead", "max-autotune")
_FEWEST_CLASSES = 2
_ANSWERS = ("start", "head", "trainable", "share")  # where weights start, which head goes on, what learns, from what
_MAY_DIFFER = ("dropout", "name", "standardize")  # of a network and of what it starts from


class Rule(NamedTuple):
    """What a value must be, in words, and whether it is."""

    words: str
    holds: Callable[[Any], bool]

    def check(self, name: str, value: object) -> None:
        """Raises ValueError unless it holds."""
        if not self.holds(value):
            raise ValueError(f"`{name}` must be {self.words}; got {value}.")


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(least: int, *, besides: Any = (), words: str = "") -> Rule:
    return Rule(f"a whole number >= {least}{words}", lambda value: _is_whole(value, least) or value in besides)


_SWITCH = Rule("true or false", lambda value: isinstance(value, bool))
_FOLDER = Rule("a folder", lambda value: isinstance(value, str))
_LIST = Rule("a list such as [noise, blur]", lambda value: isinstance(value, list))
_POSITIVE = Rule("a number > 0", lambda value: _is_number(value) and value > 0)

#: the keys that every run has
RULES = {
    "data.batch_size": _whole(1),
    "data.dir": _FOLDER,
    "data.shuffle": _SWITCH,
    "evaluation.batch_size": _whole(1),
    "evaluation.conditions": Rule(
        "lists of levels by the name of a perturbation, such as {noise: [0.05]}, or null",
        lambda value: value is None or isinstance(value, dict),
    ),
    "evaluation.families": _LIST,
    "evaluation.natural_adversarial": Rule("a folder", lambda value: value is None or isinstance(value, str)),
    "evaluation.own_family": _SWITCH,
    "evaluation.seed": _whole(0),
    "evaluation.trials": _whole(1),
    "optimizer.lr": _POSITIVE,
    "pack": _whole(1, besides=("auto",), words=", or auto (as many runs as are fastest)"),
    "perturb.fresh": _SWITCH,
    "plan": _SWITCH,
    "runs_dir": _FOLDER,
    "seed": _whole(0),
    "trainer.channels_last": _SWITCH,
    "trainer.checkpoint_every_s": Rule("a number >= 0", lambda value: _is_number(value) and value >= 0),
    "trainer.compile": Rule(f"null or one of {', '.join(_MODES)}", lambda value: value is None or value in _MODES),
    "trainer.devices": _whole(1, besides=("auto",), words=", or auto (all GPUs)"),
    "trainer.max_epochs": _whole(1),
    "trainer.num_nodes": _whole(1),
    "trainer.progress": _SWITCH,
    "trainer.threads": _whole(1, besides=(None, "auto"), words=", or auto (one where a step is little work)"),
}
#: those that some data sets or tasks have
OPTIONAL_RULES = {
    "data.download": _SWITCH,
    "data.drop_last": _SWITCH,
    "data.none": _SWITCH,
    "data.path": _FOLDER,
    "task.outputs": _whole(1, words=", of the head"),
}


def check_values(config: Config) -> None:
    """Raises ValueError for values that no run can start with."""
    for name, rule in RULES.items():
        rule.check(name, config.select(name))
    for name, rule in OPTIONAL_RULES.items():
        if (value := config.select(name)) is not None:
            rule.check(name, value)
    for name, levels in (config.evaluation.conditions or {}).items():
        Rule("a list such as [0.05]", lambda value: isinstance(value, list)).check(
            f"evaluation.conditions.{name}", levels
        )
    if config.trainer.devices != 1 and config.pack != 1:
        raise ValueError(
            f"`pack` must be 1 where a run takes several devices (trainer.devices={config.trainer.devices}); got "
            f"{config.pack}. Runs that are packed share one."
        )


def check_technique(config: Config, perturbation: Perturbation | None) -> None:
    """Raises ValueError unless the technique answers all its questions, and has a perturbation exactly if it needs
    one."""
    technique = config.technique
    if missing := [name for name in _ANSWERS if name not in technique]:
        raise ValueError(
            f"`technique.{missing[0]}` must be set by `technique={technique.get('name')}`, to null where there is none"
            "; got nothing. conf/technique/natural.yaml shows all that a technique says."
        )
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
    config: Config,
    splits: Splits,
    perturbation: Perturbation | None,
    *,
    needs: Sequence[str],
    least_batch: int = 1,
) -> None:
    """Raises ValueError where the images lack classes or what else the task `needs` to know of them, a batch holds too
    few, a perturbation would make another answer right, or it and the data differ in what there is."""
    task, data = config.task, config.data
    missing = [name for name in needs if name not in splits.train.extras]
    if missing:
        raise ValueError(
            f"`task={task.name}` needs images of which {', '.join(missing)} are known, as of `data=scenes`; got "
            f"`data={data.name}`."
        )
    if task.name == "classify" and len(splits.train.classes) < _FEWEST_CLASSES:
        raise ValueError(
            f"`task=classify` needs images of at least two classes; got {', '.join(splits.train.classes)} alone. "
            "Networks learn without classes too: task=rotation, patches or simclr."
        )
    if (batch := min(data.batch_size, len(splits.train))) < least_batch:
        raise ValueError(
            f"`data.batch_size` must be at least {least_batch} with `task={task.name}`, which compares images, and "
            f"there must be as many to train on; got {batch}."
        )
    if is_self_supervised(task):
        _check_self_supervised(config)
    if task.get("images") is not None and perturbation and perturbation.moves:
        raise ValueError(
            f"`task={task.name}` asks where things are, and needs pictures that are not moved; got "
            f"`perturb={perturbation.name}`. Choose noise, blur or faulty pixels, or leave it out."
        )
    none = data.get("none", task.none)
    if none != task.none and task.name != "classify":
        raise ValueError(f"`data.none` must be left out with `task={task.name}`, which sets it; got {none}.")
    named, known = config.model.get("parameters"), data.get("parameters")
    if named is not None and known is not None and named != known:
        raise ValueError(
            f"`model.parameters` must be those of the data, {', '.join(known)}; got {', '.join(named)}. Set "
            "`data.parameters`."
        )


def _check_self_supervised(config: Config) -> None:
    task, technique, labels = config.task, config.technique, config.data.labels
    if technique.start is not None:
        raise ValueError(
            f"`task={task.name}` is learnt from the start; got `technique={technique.name}`, which goes on from "
            "another run. Leave `technique` out."
        )
    if labels is not None:
        raise ValueError(f"`data.labels` must be left out with `task={task.name}`, which needs none; got {labels}.")


def check_same_network(config: Config, other: Config) -> None:
    """Raises ValueError where the run that another starts from has another network, even where its weights would fit: a
    stride is none of them."""
    known = [name for name in config.model if name in other.model and name not in _MAY_DIFFER]
    if differ := [str(name) for name in known if config.model[name] != other.model[name]]:
        own, its = (", ".join(f"model.{name}={one.model[name]}" for name in differ) for one in (config, other))
        raise ValueError(
            f"`technique.start` must be a run of the same network; got {config.technique.start}, which has {its}, "
            f"where this has {own}."
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
