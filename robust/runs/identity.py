"""What a run is, and so the name of its folder."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Self

#: of what makes an identity; raised where the same settings come to mean another run
VERSION = 3

_MOST = 2**1023  # of an integer that a float can hold
# Where things lie, how fast it is computed, what is measured afterwards: none of it changes what is learnt. All
# else does, also a key that somebody adds. (`recipe` offers values; what was taken from it stands in its place in
# `optimizer`, `trainer` and `data`.)
_PLACES = ("cache_dir", "dir", "download", "memory", "path")
_LEFT_OUT = frozenset(
    {
        *("attack", "camera", "evaluation", "force", "logger", "plan", "recipe", "runs_dir", "pack", "parent", "sweep"),
        *(
            f"trainer.{name}"
            for name in ("accelerator", "channels_last", "checkpoint_every_s", "compile", "progress", "threads")
        ),
        *("task.name", "task.stage", "task.tested", "trainer.devices", "trainer.num_nodes"),
        *("data.categories", "data.in_digest"),
    }
)


def counts(key: str, config: Mapping[str, Any]) -> bool:
    """Whether another value of a dotted key makes the run of this configuration another one."""
    return bool(counted([key], config))


def counted(keys: Iterable[str], config: Mapping[str, Any]) -> list[str]:
    """Those of these dotted keys of which another value makes the run of this configuration another one."""
    left_out = tuple(f"{name}." for name in _left_out(config))
    return [key for key in keys if not f"{key}.".startswith(left_out)]


def _left_out(config: Mapping[str, Any]) -> frozenset[str]:
    """The dotted keys that do not count; among them what `data.in_digest` names, which the digest of the images tells
    apart."""
    data = config.get("data")
    named = data.get("in_digest") if isinstance(data, Mapping) else None
    places = [*_PLACES, *(named if isinstance(named, list) else ())]
    return _LEFT_OUT | {f"data.{within}{name}" for within in ("", "source.") for name in places}


@dataclass(frozen=True)
class Identity:
    """What was trained on what, in words, and hashes of what determines the weights.

    `digest` is of all of it, `kind` of all but the seed: runs of one kind differ by chance alone.
    """

    data: str
    model: str
    technique: str
    perturbation: str
    level: float
    seed: int
    digest: str
    kind: str

    @property
    def folder(self) -> str:
        """The name of the run's folder: words for people, eight digits of the hash for certainty."""
        perturbed = "" if self.perturbation == "none" else f"-{self.perturbation}-{self.level:g}"
        words = f"{self.data}-{self.model}-{self.technique}{perturbed}-seed{self.seed}"
        return f"{re.sub('[^A-Za-z0-9_.-]', '_', words)[:120]}-{self.digest[:8]}"

    @property
    def title(self) -> str:
        """What to call it in a table."""
        return self.technique if self.perturbation == "none" else f"{self.technique} {self.perturbation} {self.level:g}"

    def as_dict(self) -> dict[str, Any]:
        """Its fields and the version of what makes an identity, as plain values."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Self | None:
        """What `as_dict` gave; None for nothing, and for another version. Raises KeyError or TypeError for what is none
        of one."""
        if not values or values.get("version") != VERSION:
            return None
        for field in fields(cls):
            if not isinstance(values[field.name], str if field.type is str else int | float):
                raise TypeError(f"`{field.name}` is of another kind")
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def identify(
    config: dict[str, Any],
    *,
    model: str,
    perturbation: str,
    level: float,
    data_digest: str | None,
    parents: Mapping[str, Identity] = MappingProxyType({}),
    start: str = "",
    sources: Mapping[str, str] = MappingProxyType({}),
) -> Identity:
    """The identity of the run that this configuration, resolved, describes.

    `data_digest` tells data sets of one name apart; `parents` are the runs whose weights parts of the network
    start from, of which `start` says in words what a technique alone does not. `sources` are digests of the code that
    is the user's own.
    """
    about = [data_digest, *([dict(sources)] if sources else [])]
    weighty = _prune(config, _left_out(config))
    unseeded = {name: value for name, value in weighty.items() if name != "seed"}
    return Identity(
        data=config["data"]["name"],
        model=model,
        technique=f"{config['technique']['name']} {start}".strip(),
        perturbation=perturbation,
        level=level,
        seed=config["seed"],
        digest=_hash([VERSION, weighty, *about, _only({part: one.digest for part, one in parents.items()})]),
        kind=_hash([VERSION, unseeded, *about, _only({part: one.kind for part, one in parents.items()})])[:8],
    )


def _only(parents: dict[str, str]) -> dict[str, str] | str | None:
    """The parents, by part; the one that the whole network starts from, if that is all; None for none."""
    return parents[""] if parents.keys() == {""} else parents or None


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _prune(value: Any, left_out: frozenset[str], path: str = "") -> Any:
    """What counts of a configuration: without what is left out or null; 1 and 1.0 the same, 0.0 and -0.0."""
    if isinstance(value, dict):
        kept = {name: _prune(inner, left_out, f"{path}.{name}".lstrip(".")) for name, inner in value.items()}
        return {
            name: inner
            for name, inner in kept.items()
            if inner is not None and f"{path}.{name}".lstrip(".") not in left_out
        }
    if isinstance(value, list):
        return [_prune(inner, left_out, path) for inner in value]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    return float(value) + 0.0 if isinstance(value, float) or abs(value) < _MOST else value
