"""Runs that measure a trained one without training it again: behind a restoration, adapting, or both."""

from typing import Any

from torch import nn

from robust.adapt import Adapting
from robust.errors import ParameterError
from robust.experiment.build import build
from robust.restore import Restored
from robust.runs.config import Config

#: the keys that make a run one of another's network, in the order in which they stand around it
AROUND = ("restore", "adapt")
#: of `adapt`: how pictures come, not what is done with them
STREAM = ("batch_size", "order", "protocol")


def recovers(config: Config) -> bool:
    """Whether a run is that of its command without `restore` and `adapt`, measured with them."""
    return any(config.get(name) is not None for name in AROUND)


def recovered_title(config: Config) -> str:
    """What stands around its network, in words, such as "+median +tent"."""
    return " ".join(f"+{config[name].name}" for name in AROUND if config.get(name) is not None)


def check_restoration(config: Config) -> None:
    """Raises ValueError for a restoration that cannot be made."""
    try:
        if config.get("restore") is not None:
            build(config.restore)
    except ParameterError as error:
        raise ParameterError(f"restore.{error.args[0]}", *error.args[1:]) from error


def recovered(config: Config, network: dict[str, Any]) -> dict[str, Any]:
    """A network's architecture, with what stands around it."""
    shapes = {name: network[name] for name in ("image_shape", "num_classes")}
    if config.get("restore") is not None:
        restore = config.restore.without(["name"]).plain()
        network = {"_target_": "robust.restore.Restored", "network": network, "restore": restore, **shapes}
    if config.get("adapt") is not None:
        network = {**config.adapt.without(["name", *STREAM]).plain(), "network": network, **shapes}
    return network


def innermost(network: nn.Module) -> nn.Module:
    """The network that others stand around."""
    while isinstance(network, Adapting | Restored):
        network = network.network
    return network
