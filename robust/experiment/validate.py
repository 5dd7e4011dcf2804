"""What a configuration must fulfil: the rules of single keys, which `schema` holds, and those between several."""

import os
import tempfile
from pathlib import Path

from torch import nn

from robust.data import Mixing, Splits
from robust.errors import check
from robust.experiment.parents import is_self_supervised, learns
from robust.experiment.recovered import recovers
from robust.experiment.rules import locate
from robust.experiment.schema import survey
from robust.experiment.temperature import check_temperature
from robust.learn import Classifier, Task
from robust.models import Adapted, LibraryNetwork
from robust.perturb import Perturbation
from robust.runs.config import Config

_FEWEST_CLASSES = 2
_PARAMETERS = 10**9
_ANSWERS = ("start", "head", "trainable", "share")  # where weights start, which head goes on, what learns, from what
_MAY_DIFFER = ("dropout", "name", "standardize")  # of a network and of what it starts from


def check_values(config: Config) -> None:
    """Raises ValueError for a value that its key does not take."""
    for one in survey(config):
        if one.rule is not None:
            one.rule.check(one.name, one.value)


def check_packing(config: Config) -> None:
    """Raises ValueError where runs that take several devices would share one."""
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
    augment = None if perturbation is None or perturbation.bounded else config.data.augment
    rule = f"null with `technique={technique.name}`: it would clip what is not to be clipped"
    check("data.augment", augment and augment["_target_"], rule, augment is None, "Set augment=none.")


def check_pretrained(config: Config) -> None:
    """Raises ValueError where a network that does not learn would be measured with weights, a head or statistics that
    it has not learnt before."""
    if learns(config) or recovers(config) or config.technique.start is not None:
        return
    technique, model, target = config.technique.name, config.model, str(config.model["_target_"])
    network = locate(target)
    adapted = isinstance(network, type) and issubclass(network, Adapted)
    if target.startswith("robust.models.") and not adapted:
        raise ValueError(
            f"`model={model.name}` would have a new head, and nothing would train it (`technique={technique}`). Take "
            "the folder of a run, or the model of a library (timm, torchvision, ...)."
        )
    if isinstance(network, type) and issubclass(network, LibraryNetwork):
        network.check_name(model.architecture)
    if adapted and config.weights is None and not network.brings_weights:
        raise ValueError(
            f"`model={model.name}` has new weights, and nothing would train them (`technique={technique}`). Give "
            "trained ones: weights=FILE."
        )
    if adapted:
        rule = f"own or none with `technique={technique}`, which learns no statistics"
        check("model.standardize", model.standardize, rule, model.standardize != "channel")


def check_task(config: Config, splits: Splits, perturbation: Perturbation | None, learnt: type[Task]) -> None:
    """Raises ValueError where the images lack classes or what else the task that is `learnt` must know of them, a batch
    holds too few, a perturbation would make another answer right, or settings of the training do not suit it."""
    task, data = config.task, config.data
    if missing := [name for name in learnt.needs if name not in splits.train.extras]:
        raise ValueError(
            f"`task={task.name}` needs images of which {', '.join(missing)} are known; got `data={data.name}`. Choose "
            "other data."
        )
    learnt.check_images(splits.train, config.model)
    if task.name == "classify" and len(splits.train.classes) < _FEWEST_CLASSES:
        more = " A network learns without classes too: task=rotation, patches or simclr." if learns(config) else ""
        raise ValueError(
            f"There must be images of at least two classes; {data.get('path') or data.name} has one, "
            f"`{', '.join(splits.train.classes)}`. Add a folder with those of another.{more}"
        )
    if not len(splits.train):
        if learns(config):
            raise ValueError(
                f"`data={data.name}` must have images to train on, unless nothing learns; it has {len(splits.test)} to "
                "test on alone. technique=pretrained measures a network as it is."
            )
    elif (batch := min(data.batch_size, len(splits.train))) < learnt.least_batch:
        raise ValueError(
            f"`data.batch_size` must be at least {learnt.least_batch} with `task={task.name}`, which compares images, "
            f"and there must be as many to train on; got {batch}."
        )
    if learnt.restores:
        advice = "Give one: technique=constant perturb=noise."
        check("perturb", "none", f"what is taken away with `task={task.name}`", perturbation is not None, advice)
    if is_self_supervised(task) or learnt.restores:
        _check_unlabelled(config)
    if task.get("images") is not None and perturbation and perturbation.moves:
        raise ValueError(
            f"`task={task.name}` asks where things are, and needs pictures that are not moved; got "
            f"`perturb={perturbation.name}`. Choose noise, blur or faulty pixels, or leave it out."
        )
    _check_training(config, learnt)
    _check_more_tests(config)


def _check_training(config: Config, learnt: type[Task]) -> None:
    """Raises ValueError where settings of the training do not go together, or do not suit the task that is `learnt`."""
    task, trainer, optimizer, rate = config.task, config.trainer, config.optimizer, config.lr_scheduler or Config()
    classifies = issubclass(learnt, Classifier) and not is_self_supervised(task)
    other, share = f"null with `task={task.name}`", config.data.validation
    holds = share is None or (task.tested and not is_self_supervised(task))
    check("data.validation", share, other, holds, "It predicts no class of these images.")
    for name in ("keep", "patience"):
        value, holds = trainer[name], trainer[name] is None or share is not None
        check(f"trainer.{name}", value, "null without validation", holds, "Set data.validation=0.1.")
    advice = "It is for tasks that classify."
    check("label_smoothing", config.label_smoothing, other, classifies or config.label_smoothing is None, advice)
    mixes = config.data.augment is not None and _mixes(str(config.data.augment["_target_"]))
    augment = config.data.augment["_target_"] if mixes else None
    check("data.augment", augment, f"one that mixes no labels with `task={task.name}`", classifies or not mixes, advice)
    epochs, warmup = trainer.max_epochs, rate.get("warmup_epochs") or 0
    check("lr_scheduler.warmup_epochs", warmup, f"below trainer.max_epochs, {epochs}", warmup < epochs)
    holds = not optimizer.get("nesterov") or (optimizer.get("momentum") or 0) > 0
    check("optimizer.nesterov", True, "false without momentum", holds, "Set optimizer.momentum=0.9.")


def _check_more_tests(config: Config) -> None:
    """Raises ValueError where sequences of frames, or each image's limits, are asked of a network that is not tested on
    pictures, and for them, distances and what ends tests early where there are no tests."""
    evaluation, task = config.evaluation, config.task
    advice = "It is for networks that classify pictures as they are."
    for name, no in (("sequences", "false"), ("tolerance", "null")):
        asked = evaluation.get(name)
        holds = not asked or (task.tested and task.get("images") is None)
        check(f"evaluation.{name}", asked, f"{no} with `task={task.name}`", holds, advice)
    until, decide = evaluation.get("until"), evaluation.get("decide")
    check("evaluation.until", until, "null with `evaluation=none`", not until or evaluation.conditions is not None)
    check(
        "evaluation.decide",
        decide,
        "false without `evaluation.until`",
        bool(until or not decide),
        "Set evaluation.until=0.01.",
    )
    check_temperature(config)
    for name in ("sequences", "distance"):
        asked = bool(evaluation.get(name))
        holds = not asked or evaluation.conditions is not None
        check(f"evaluation.{name}", asked, "false with `evaluation=none`", holds, "Choose another one.")


def _mixes(target: str) -> bool:
    called = locate(target)
    return isinstance(called, type) and issubclass(called, Mixing)


def _check_unlabelled(config: Config) -> None:
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
            f"The network must be that of {config.technique.start}, which it starts from: that has {its}, where this "
            f"has {own}."
        )


def check_size(network: nn.Module, model: str) -> None:
    """Raises ValueError for a network that no machine of today trains."""
    count = sum(one.numel() for one in network.parameters())
    rule = f"a network of at most {_PARAMETERS:,} parameters"
    check("model", f"{model} with {count:,}", rule, count <= _PARAMETERS)


def check_writable(runs_dir: Path) -> None:
    """Raises ValueError where runs cannot be kept. Nothing is made: it may be a plan."""
    folder = runs_dir.absolute()
    nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise ValueError(
            f"`runs_dir` must be a folder that can be written to; got {runs_dir} ({error.strerror}). "
            "Give another: runs_dir=FOLDER."
        ) from error
