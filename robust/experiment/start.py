"""What a network starts from: the weights of other runs."""

from collections.abc import Mapping

from torch import nn

from robust.experiment.parents import NATURAL, is_run
from robust.learn import NEW, copy_weights
from robust.models import trunk_of
from robust.runs.config import Config


def init_from_parents(network: nn.Module, config: Config, others: Mapping[str, nn.Module]) -> None:
    """Gives a network, or parts of it, the weights of `others`, by part as in `starts`. Raises ValueError where they do
    not fit."""
    for part, other in others.items():
        if part:
            _init_part(network, other, part=part, named=config.task.start[part], model=config.model.name)
            continue
        try:
            own = NEW if config.technique.head is not None else ()
            copy_weights(network, trunk_of(other).state_dict(), new=own)
        except ValueError as error:
            raise ValueError(
                f"`technique.start` must be a run of the same network; got {config.technique.start}. {error}"
            ) from error


def start_title(config: Config, start: Config | None) -> str:
    """What a run starts from, in words, where its technique does not say it: a self-supervised task, or that of the run
    whose configuration is `start`, or `pretrained`; "" for none."""
    named = config.technique.start
    if named in (None, NATURAL) or start is None:
        return ""
    return f"{start.task.name} of {start.data.name}" if is_run(named) else str(named)


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
