"""What a network starts from: other runs, whose weights it takes."""

from collections.abc import Mapping

from omegaconf import DictConfig
from torch import nn

from robust.experiment.compose import pretext, reference, stage
from robust.learn import NEW, take_weights
from robust.measure import NATURAL
from robust.models import trunk_of


def starts(config: DictConfig) -> dict[str, DictConfig]:
    """The configurations of the runs that a network starts from, by the part of it that takes their weights; "" for all
    but a new head. Raises ValueError for a start that there is not."""
    start = config.technique.start
    if start is None:
        return {part: stage(config, named.partition(".")[0]) for part, named in config.task.start.items()}
    return {"": reference(config) if start == NATURAL else pretext(config, str(start))}


def take_start(network: nn.Module, config: DictConfig, others: Mapping[str, nn.Module]) -> None:
    """Gives a network, or parts of it, the weights of `others`, by part as in `starts`. Raises ValueError where they do
    not fit."""
    for part, other in others.items():
        if part:
            _take_part(network, other, part=part, named=config.task.start[part], model=config.model.name)
            continue
        try:
            own = NEW if config.technique.head is not None else ()
            take_weights(network, trunk_of(other).state_dict(), new=own)
        except ValueError as error:
            raise ValueError(
                f"`technique.start` must be a run of the same network; got {config.technique.start}. {error}"
            ) from error


def _take_part(network: nn.Module, other: nn.Module, *, part: str, named: str, model: str) -> None:
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
