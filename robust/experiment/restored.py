"""Runs that measure another behind a restoration (`restore`)."""

from typing import Any

from robust.errors import ParameterError
from robust.experiment.build import build
from robust.runs.config import Config


def restores(config: Config) -> bool:
    """Whether a run is that of its command without `restore`, measured behind a restoration."""
    return config.get("restore") is not None


def check_restoration(config: Config) -> None:
    """Raises ValueError for a restoration that cannot be made."""
    try:
        if restores(config):
            build(config.restore)
    except ParameterError as error:
        raise ParameterError(f"restore.{error.args[0]}", *error.args[1:]) from error


def restored(config: Config, network: dict[str, Any]) -> dict[str, Any]:
    """A network's architecture, behind a restoration where there is one."""
    if not restores(config):
        return network
    shapes = {name: network[name] for name in ("image_shape", "num_classes")}
    restore = config.restore.without(["name"]).plain()
    return {"_target_": "robust.restore.Restored", "network": network, "restore": restore, **shapes}
