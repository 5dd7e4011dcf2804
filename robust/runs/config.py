"""The configuration of a run as plain values."""

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

#: keys whose values name what is called
CALLED = ("_target_", "search", "network")
_OWN_NETWORK = "model.network._target_"
#: what a configuration that lay somewhere may have called: what our own choices name, or could
_OURS = re.compile(
    r"robust\.(adapt|certify|learn|models|perturb|perturb\.camera|perturb\.corruptions|restore|track)\.[A-Z][A-Za-z]+"
    r"|robust\.learn\.make_trainer|torch\.optim\.[A-Z][A-Za-z]+"
    r"|robust\.data\.(Augmentation|CutMix|Cutout|Mixup|RandAugment|TrivialAugment)"
    r"|robust\.data\.(cifar10|cifar100|digits|emnist|fashion_mnist|folder|huggingface|imagenet|mnist|npz)"
    r"|robust\.data\.(patch_pairs|rotation_dataset|stl10|svhn|tiny_imagenet|torchvision)"
    r"|robust\.attack\.(AttackPlan|fgsm|gradient_sign|one_pixel|patch|pgd|universal|worst_of)"
    r"|robust\.attack\.libraries\.(foolbox|torchattacks)"
)


class Config(dict[str, Any]):
    """Nested settings, by key or by attribute; not to be changed once made: runs share parts of theirs."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no setting {name!r}") from None

    @classmethod
    def of(cls, value: Any) -> Any:
        """Nested mappings as configurations, everything else as it is."""
        if isinstance(value, Mapping):
            return cls({str(name): cls.of(inner) for name, inner in value.items()})
        return [cls.of(one) for one in value] if isinstance(value, list | tuple) else value

    def plain(self) -> dict[str, Any]:
        """The same as nested dictionaries, for libraries that look at types."""
        return {name: _plain(value) for name, value in self.items()}

    def select(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key, or the default where there is none."""
        node: Any = self
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        return node

    def changed(self, values: Mapping[str, Any]) -> "Config":
        """A copy in which these dotted keys have these values; all else is shared with this one."""
        config = self
        for key, value in values.items():
            config = config._with(key.split("."), value)
        return config

    def _with(self, path: list[str], value: Any) -> "Config":
        name, *rest = path
        inner = self.get(name)
        inside = inner if isinstance(inner, Config) else Config()
        return Config({**self, name: inside._with(rest, value) if rest else Config.of(value)})

    def without(self, names: Container[str]) -> "Config":
        """The same less some of its keys."""
        return Config({name: value for name, value in self.items() if name not in names})


def check_targets(config: Config, path: Path, *, reads: bool = False) -> None:
    """Raises ValueError where a configuration that lay somewhere, at `path`, would have other things made than parts of
    this library and of what the user's own choices name: what is named is called. Who `reads` it alone, and makes
    nothing, may read of any network (model=own). Nor may a value refer to another, to the environment for
    example: a run's values are as they are."""
    from robust.models.registry import is_allowed  # torch comes with it, which rows are read without

    for name, value in everything(config):
        if "${" in name or (isinstance(value, str) and "${" in value):
            raise ValueError(
                f"{path} has a value that refers to another, which no run's has: `{name}`. Delete it and run again."
            )
        named = name.rpartition(".")[2]
        if named not in CALLED or value is None or (named != "_target_" and isinstance(value, Mapping)):
            continue
        if reads and name == _OWN_NETWORK and isinstance(value, str):
            continue
        if not (isinstance(value, str) and (_OURS.fullmatch(value) or is_allowed(value))):
            raise ValueError(
                f"{path} names {value} (`{name}`), which is neither a part of robust nor named by choices of your own, "
                "and is not called. If you trust it: --config-dir FOLDER, of choices that name it, such as a line "
                f"`_target_: {str(value).replace(':', '.')}` in FOLDER/model/mine.yaml."
            )


def everything(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in nested mappings and lists, with its dotted name."""
    inner = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for name, value in inner:
        yield f"{path}{name}", value
        yield from everything(value, f"{path}{name}.")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def leaves(node: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in nested mappings, with its dotted name; mappings themselves too."""
    for name, value in node.items():
        yield f"{path}{name}", value
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{name}.")
