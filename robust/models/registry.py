"""The networks that a checkpoint may name.

A checkpoint holds weights and, as plain values, which network they are of: a dotted path (`_target_`) and the arguments
of its constructor. To load it is to call what it names, so only these are called:

- the networks of `robust.models`;
- one that was given to `register`;
- one that an installed package registers, by an entry point of the group `robust.networks` with the value
  `package.module:Class`, or that its choices of configuration name (see `robust.files.choices`). It is imported when a
  checkpoint names it;
- one that the caller of `robust.load` names (`networks`), or the configuration that the user gave (`allow`), itself or
  by its dotted path. It is imported when a checkpoint names it.

**A network of one's own** is an `nn.Module`, or a function that returns one. It is called with keywords alone:
`image_shape`, (channels, height, width) in pixels; `num_classes`, how many logits it gives; where the technique puts a
new head on, or the task has one, `head`, the widths of hidden linear layers before the logits; for self-supervised
tasks `standardize`, which is "channel"; and what else its file in `conf/model` says, as plain values. It takes images,
floating-point in [0, 1], shape (batch, channels, height, width), and returns logits, shape (batch, num_classes). Its
part `head` is what transfer learning makes anew; every `Fitted` layer within it, such as `Standardize`, is fitted to
the training images. What it returns may be scores that are no logits, and mean other predictions at other thresholds:
see `robust.models.outputs`.
"""

import copy
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, TypeVar

from torch import nn

from robust.files.choices import called_by_packages
from robust.models.ablated import Ablated
from robust.models.adapted import Adapted
from robust.models.alexnet import AlexNet
from robust.models.convnet import ConvNet
from robust.models.fast import FastNet
from robust.models.libraries import HuggingFaceNetwork, RobustBenchNetwork, TimmNetwork, TorchvisionNetwork
from robust.models.onnx_file import OnnxNetwork
from robust.models.resnet import ResNet
from robust.models.siamese import Siamese

#: of entry points
GROUP = "robust.networks"
Network = Callable[..., nn.Module]
_Any = TypeVar("_Any", bound=Network)

_ADAPTED = (Adapted, HuggingFaceNetwork, OnnxNetwork, RobustBenchNetwork, TimmNetwork, TorchvisionNetwork)
_OURS: dict[str, Network] = {
    f"robust.models.{network.__name__}": network
    for network in (Ablated, AlexNet, ConvNet, FastNet, ResNet, Siamese, *_ADAPTED)
}
_registered: dict[str, Network] = {}
_allowed: set[str] = set()


class UnknownNetworkError(ValueError):
    """A network that was neither registered nor named."""


def register(network: _Any) -> _Any:
    """Lets checkpoints name a network, an `nn.Module` or a function that returns one, by its dotted path: what a
    decorator does, or a call before `robust.load`. Returns it as it is."""
    _registered[_path(network)] = network
    return network


def allow(names: Iterable[str]) -> None:
    """Lets checkpoints name networks by these dotted paths, which the user's own configuration names. Nothing is
    imported yet."""
    _allowed.update(names)


def is_allowed(name: str) -> bool:
    """Whether the configuration of the user or of an installed package names it, or it was registered."""
    return name in _registered or _is_named(name)


def _is_named(name: str) -> bool:
    if name in _allowed:
        return True
    name = name.replace(":", ".")
    named = name in _allowed or name in called_by_packages()
    return named or any(name == entry.value.replace(":", ".") for entry in entry_points(group=GROUP))


def find(name: str, named: Sequence[Network | str] = ()) -> Network:
    """The network of this dotted path; `named` are those that the caller trusts, themselves or their dotted paths.

    Raises UnknownNetworkError for one that was neither registered nor named, and ValueError for one that cannot be
    imported; neither imports anything else.
    """
    for network in (*named, *_registered.values()):
        if not isinstance(network, str) and _goes_by(network, name):
            return network
    if name in _OURS:
        return _OURS[name]
    if name in named or _is_named(name):
        return _import(name)
    raise UnknownNetworkError(
        f"the network {name}, which is neither one of robust.models nor registered, and is not called. If you trust "
        f"it: `robust.register` it first, or name it: `robust.load(run_folder, networks=[{name!r}])`; for a command, "
        "in a choice of your own: --config-dir FOLDER."
    )


def make_network(architecture: Mapping[str, Any], named: Sequence[Network | str] = ()) -> nn.Module:
    """The network of an architecture, with new weights: `_target_` is its dotted path, all else its arguments, plain
    values or architectures themselves.

    Raises as `find` does, for a network within another too, before any is made; and ValueError for arguments that it
    does not take, or for what is no network.
    """
    networks = {name: find(name, named) for name in _names(architecture)}
    return _make(architecture, networks)


def _names(value: Any) -> Iterator[str]:
    """The dotted paths in an architecture, those within others first."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _names(inner)
        if "_target_" in value:
            yield str(value["_target_"])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)


def _make(value: Any, networks: Mapping[str, Network]) -> Any:
    """What is described, and what it is made of."""
    if isinstance(value, list | tuple):
        return [_make(inner, networks) for inner in value]
    if not isinstance(value, Mapping):
        return value
    arguments = {name: _make(inner, networks) for name, inner in value.items() if name != "_target_"}
    if "_target_" not in value:
        return arguments
    name = str(value["_target_"])
    if isinstance(network := networks[name], nn.Module) and not arguments:
        return copy.deepcopy(network)
    try:
        made = network(**arguments)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError) as error:
        values = ", ".join(f"{key}={one!r}" for key, one in arguments.items())
        raise ValueError(f"{name} cannot be made with {values} ({error}).") from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"`{name}` must be an nn.Module, or return one; got {type(made).__name__}.")
    return made


def _path(network: Network) -> str:
    try:
        return f"{network.__module__}.{network.__qualname__}"
    except AttributeError:
        raise ValueError(f"A network must be a class or a function; got {network!r}.") from None


def _goes_by(network: Network, name: str) -> bool:
    """Whether this is the network's dotted path, or another that it can be had by, without an import."""
    name = name.replace(":", ".")
    module, _, attribute = name.rpartition(".")
    return name == _path(network) or getattr(sys.modules.get(module), "__dict__", {}).get(attribute) is network


def _import(name: str) -> Network:
    try:
        network = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The network {name} cannot be imported ({error}). Run where its module is found, e.g. in its folder."
        ) from error
    if not callable(network):
        raise ValueError(f"The network {name} must be a class or a function; got {network!r}.")
    return network
