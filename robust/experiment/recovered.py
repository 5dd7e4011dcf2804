"""Runs that measure a trained one without training it again: behind a restoration, adapting, or both."""

import contextlib
from collections.abc import Iterator
from typing import Any

from robust.adapt import RESET, Adapting, Stream
from robust.errors import ParameterError, check
from robust.runs.config import Config

#: the keys that make a run one of another's network, in the order in which they stand around it
AROUND = ("restore", "adapt")
#: of a restoration that learns: what it learns to take away
OF_RUN = ("perturb", "level")
#: of `adapt`: how pictures come, not what is done with them
STREAM = ("batch_size", "order", "protocol")


def recovers(config: Config) -> bool:
    """Whether a run is that of its command without `restore` and `adapt`, measured with them."""
    return any(config.get(name) is not None for name in AROUND)


def recovered_title(config: Config) -> str:
    """What stands around its network, in words, such as "+median +tent"."""
    return " ".join(f"+{config[name].name}" for name in AROUND if config.get(name) is not None)


def is_learnt(config: Config) -> bool:
    """Whether its restoration has learnt, in a run of its own."""
    return bool((config.get("restore") or {}).get("perturb"))


def check_recovered(config: Config) -> None:
    """Raises ValueError for tests of a network that adapts that cannot be made of one."""
    if config.get("adapt") is not None:
        evaluation, why = config.evaluation, f"with `adapt={config.adapt.name}`, which changes with what it is shown"
        check("attack", config.attack.get("name"), f"none {why}", config.attack.get("_target_") is None)
        for name, no in (
            ("sequences", "false"),
            ("tolerance", "null"),
            ("until", "null"),
            ("distance", "false"),
            ("temperature", "false"),
        ):
            check(f"evaluation.{name}", evaluation.get(name), f"{no} {why}", not evaluation.get(name))


@contextlib.contextmanager
def named(config: Config) -> Iterator[None]:
    """Says of a wrong number of what stands around a network, inside, by which key it was given."""
    try:
        yield
    except ParameterError as error:
        for name in AROUND:
            if error.args[0] in (config.get(name) or ()):
                raise ParameterError(f"{name}.{error.args[0]}", *error.args[1:]) from error
        raise


def recovered(config: Config, network: dict[str, Any]) -> dict[str, Any]:
    """A network's architecture, with what stands around it."""
    shapes = {name: network[name] for name in ("image_shape", "num_classes")}
    if (technique := config.technique.get("network")) is not None:
        channels, *size = shapes["image_shape"]
        network = {"_target_": technique, "network": {**network, "image_shape": [2 * channels, *size]}, **shapes}
    if config.get("restore") is not None:
        restore = config.restore.without(["name", *OF_RUN]).plain() | (shapes if is_learnt(config) else {})
        network = {"_target_": "robust.restore.Restored", "network": network, "restore": restore, **shapes}
    if config.get("adapt") is not None:
        network = {**config.adapt.without(["name", *STREAM]).plain(), "network": network, **shapes}
    return network


def adapted(model: Adapting, config: Config) -> Adapting:
    """A network that adapts, to which pictures then come in tests as its run says."""
    model.stream = Stream(**{name: config.adapt[name] for name in STREAM})
    return model


def hang_together(config: Config) -> bool:
    """Whether what comes of a test depends on the others of its trial: all are made again where one is missing."""
    return config.get("adapt") is not None and config.adapt.protocol != RESET
