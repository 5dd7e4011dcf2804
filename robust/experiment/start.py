"""What a network starts from: the weights of other runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from robust.experiment.experiment import Experiment
from robust.experiment.parents import NATURAL, is_run
from robust.experiment.recovered import recovered_title, recovers
from robust.learn import NEW, copy_weights
from robust.models import innermost, trunk_of
from robust.runs.config import Config


def init_from_parents(network: nn.Module, config: Config, others: Mapping[str, nn.Module]) -> None:
    """Gives a network, or parts of it, the weights of `others`, by part as in `starts`. Raises ValueError where they do
    not fit."""
    if recovers(config):
        copy_weights(innermost(network), others[""].state_dict(), new=())
        if "restore" in others:
            restore: Any = network.restore
            copy_weights(restore, others["restore"].state_dict(), new=())
        return
    for part, other in others.items():
        if part:
            _init_part(network, other, part=part, named=config.task.start[part], model=config.model.name)
            continue
        try:
            own = NEW if config.technique.head is not None else ()
            copy_weights(network, trunk_of(other).state_dict(), new=own)
        except ValueError as error:
            raise ValueError(
                f"The network must be that of {config.technique.start}, which it starts from. {error}"
            ) from error


def check_start(run: Experiment, network: nn.Module, others: Mapping[str, nn.Module]) -> None:
    """Raises ValueError where the weights of `others`, which a run starts from, do not fit its network: because its
    images or classes are others than those of the run that it names, if they are."""
    try:
        init_from_parents(network, run.config, others)
    except ValueError as error:
        start = run.parents.get("")
        raise ValueError((_other_images(run, start) if start and start.where else "") or str(error)) from error


def _other_images(run: Experiment, start: Experiment) -> str:
    """How the images of a run are others than those that the run `start` was trained on, and what to do; "" where they
    are like those."""
    theirs, ours = (one.architecture() for one in (start, run))
    (channels, height, _), mine = theirs["image_shape"], ours["image_shape"]
    counts = [one["num_classes"] for one in (theirs, ours)]
    if theirs["image_shape"] == mine and counts[0] == counts[1]:
        return ""
    data = run.config.data
    keys = {"size": (height, mine[1]), "channels": (channels, mine[0])}
    wrong = [f"data.{key}={its}" for key, (its, own) in keys.items() if key in data and its != own]
    todo = f" Set {' '.join(wrong)}." if wrong else ""
    if counts[0] != counts[1]:
        todo += " robust train technique=finetune trains it further, with a head for these classes."
    there, here = (
        f"{count} classes of {_as_words(one['image_shape'], colours=channels != mine[0])} images"
        for count, one in zip(counts, (theirs, ours), strict=True)
    )
    return (
        f"The network of {run.config.technique.start} tells {there}; {data.get('path') or data.name} has {here}.{todo}"
    )


def _as_words(shape: Sequence[int], *, colours: bool) -> str:
    channels, height, width = shape
    return f"{height}x{width}" + (f" {'grey' if channels == 1 else 'colour'}" if colours else "")


def start_title(config: Config, start: Experiment | None) -> str:
    """What a run starts from, in words, where its technique does not say it: a self-supervised task, or `pretrained`,
    or of the run `start` that it names the model and how that was trained or, if that does not classify, its task and
    data; of one that is measured with something around it that too; "" for none."""
    if recovers(config) and start is not None:
        own = start.identity.technique.removeprefix(config.technique.name)
        return f"{own} {recovered_title(config)}".strip()
    named = config.technique.start
    if named in (None, NATURAL) or start is None:
        return ""
    if not is_run(named):
        return str(named)
    task, identity = start.config.task.name, start.identity
    return f"{identity.model} {identity.title}" if task == "classify" else f"{task} of {start.config.data.name}"


def _init_part(network: nn.Module, other: nn.Module, *, part: str, named: str, model: str) -> None:
    try:
        wanted, given = network.get_submodule(part), other.get_submodule(named.partition(".")[2])
    except AttributeError as error:
        raise ValueError(f"`task.start.{part}` must name a part of a network; got {named} ({error}).") from error
    try:
        wanted.load_state_dict(given.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"`task.start.{part}` must name a network that fits the {part} of `model={model}`; got {named}, whose "
            "layers are others."
        ) from error
