"""The configuration of a run, of what the command line says: composed by Hydra, as plain values."""

import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict

from robust.errors import ParameterError
from robust.experiment.explain import explained, explained_interpolations
from robust.experiment.overrides import check_override, cleaned, parse
from robust.experiment.schema import Found, check_keys, survey
from robust.experiment.search_path import CONF, groups, project_folders
from robust.perturb.camera import seconds
from robust.runs.config import Config, leaves

_MISSING = "???"
_CALLED = ("._target_", ".network", ".optimizer", ".search")  # what is called says which keys there are
_VARIABLE = re.compile(r"oc\.env:(\w+)")
_SAME = re.compile(r"\$\{(\.*)([\w.]+)\}")
_WORD = re.compile(r"(\.*)([A-Za-z_]\w*(?:\.\w+)*)")


def compose(overrides: Sequence[str] = ()) -> Config:
    """The configuration that `python train.py OVERRIDES` would run, also inside any program that uses Hydra itself.

    What chooses files is composed by Hydra once; a plain value is set in what came of that, and what refers to it is
    resolved again. Paths that begin with `~` or `$NAME` are filled in. Raises ValueError for an override that cannot be
    read, a key that there is not, a value that is still to be given, and one that its key does not take (`schema`).
    """
    parsed = [parse(one) for one in overrides]
    for one in parsed:
        check_override(one)
    set_first = [one.key_or_group for one in parsed if not _may_be_set(one) and not _chooses(one)]
    free = [one for one in parsed if _may_be_set(one) and not any(_overlap(one.key_or_group, key) for key in set_first)]
    base = _up_to_date(tuple(str(one.input_line) for one in parsed if one not in free))
    if absent := [one.key_or_group for one in free if not base.has(one.key_or_group)]:
        free = [one for one in free if not any(_overlap(one.key_or_group, key) for key in absent)]
        base = _up_to_date(tuple(str(one.input_line) for one in parsed if one not in free))
    return base.with_values({one.key_or_group: cleaned(one.value()) for one in free})


def known_keys() -> list[str]:
    """Every key and group of the default configuration."""
    return [name for name, _ in leaves(compose())]


def _may_be_set(override: Override) -> bool:
    """Whether it gives a key, rather than a group, one plain value."""
    if override.type is not OverrideType.CHANGE or override.package is not None or override.is_sweep_override():
        return False
    key = override.key_or_group
    if key.endswith(_CALLED) or key in groups():
        return False
    return ("." in key or _up_to_date(()).has(key)) and _is_plain(override.value())


def _chooses(override: Override) -> bool:
    """Whether it chooses a file of a group."""
    plain = override.type is OverrideType.CHANGE and "." not in override.key_or_group
    return plain and isinstance(override.value(), str)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(one) for one in value)
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)


class _Base:
    """What Hydra composed, and how its values hang together."""

    def __init__(self, composed: DictConfig, *, may_change_perturbation: bool) -> None:
        self.composed = composed
        self.may_change_perturbation = may_change_perturbation  # nothing but its own file says what it is
        raw = OmegaConf.to_container(composed)
        assert isinstance(raw, dict)
        self.raw = {name: value for name, value in leaves(raw) if not isinstance(value, dict)}
        self.environment = _environment(_VARIABLE.findall(str(raw)))
        self.refers = {name: _words(name, value) for name, value in self.raw.items() if "${" in str(value)}

    @functools.cached_property
    def resolved(self) -> Config:
        """Every value, as it is without changes."""
        if missing := [name for name, value in self.raw.items() if value == _MISSING]:
            raise ValueError(f"`{missing[0]}` must be given: {missing[0]}=VALUE.")
        with explained_interpolations(self.composed):
            return cleaned(Config.of(OmegaConf.to_container(self.composed, resolve=True)))

    @functools.cached_property
    def keys(self) -> list[Found]:
        """Every key with its rule. Raises ValueError for an unread or a missing one."""
        found = sorted(survey(self.resolved, self._is_read), key=lambda one: one.name not in self.raw)  # as typed first
        check_keys(found)
        return found

    def _is_read(self, name: str) -> bool:
        """Whether another value refers to a key, or to something within."""
        words = {word for other, words in self.refers.items() if other != name for word in words}
        return any(_overlap(word, name) for word in words if "." in word or word == name)

    @functools.cached_property
    def wrong(self) -> dict[str, ParameterError]:
        """What is wrong with values as they are without changes, by key."""
        return {one.name: error for one in self.keys if (error := self._fault(one, one.value))}

    def _fault(self, found: Found, value: Any) -> ParameterError | None:
        try:
            if found.rule is not None:
                found.rule.check(found.name, value)
        except ParameterError as error:
            return ParameterError(self._source(found.name), *error.args[1:])
        return None

    def _source(self, name: str) -> str:
        """The key that a value was taken from as it is: what was typed."""
        while found := _SAME.fullmatch(str(self.raw.get(name, ""))):
            where = name.split(".")
            name = ".".join([*where[: len(where) - len(found[1])], found[2]]) if found[1] else found[2]
        return name

    def has(self, key: str) -> bool:
        """Whether there is a value, and no more than that, under a key."""
        return self.raw.get(key, _MISSING) != _MISSING

    def with_values(self, values: Mapping[str, Any]) -> Config:
        """The configuration with other values; all that they do not touch is shared."""
        touched = {one for name in values for one in self._touched(name)}
        weighty = {name: value for name, value in values.items() if len(self._touched(name)) > 1}
        changed = {**values, **self._refreshed(json.dumps(weighty), frozenset(touched - {*values}))}
        for one in self.keys:
            wrong = self._fault(one, changed[one.name]) if one.name in changed else self.wrong.get(one.name)
            if wrong and one.name in values:
                raise ParameterError(one.name, *wrong.args[1:])
            if wrong:
                raise wrong
        return self.resolved.changed(changed) if changed else self.resolved

    @functools.lru_cache(maxsize=1024)  # noqa: B019, runs of a sweep differ in what nothing refers to, such as the seed
    def _refreshed(self, given: str, names: frozenset[str]) -> dict[str, Any]:
        """What these keys' values come to where others are given, as JSON."""
        if not names:
            return {}
        values = json.loads(given)
        try:
            for name, value in values.items():
                OmegaConf.update(self.composed, name, value, merge=False)
            with explained_interpolations(self.composed):
                return {name: cleaned(_resolved(OmegaConf.select(self.composed, name))) for name in names}
        finally:
            for name in values:
                OmegaConf.update(self.composed, name, self.raw[name], merge=False)

    @functools.lru_cache(maxsize=256)  # noqa: B019, as many as there are keys that sweeps set
    def _touched(self, key: str) -> frozenset[str]:
        """This key, and all whose values may hang on it."""
        touched = {key}
        while more := {
            name
            for name, words in self.refers.items()
            if name not in touched and any(_overlap(word, one) for word in words for one in touched)
        }:
            touched |= more
        return frozenset(touched)


def _words(name: str, value: Any) -> frozenset[str]:
    """The keys, or beginnings of keys, that a value with interpolations may refer to, and some words more."""
    where = name.split(".")
    return frozenset(
        ".".join([*where[: len(where) - len(dots)], word]) if dots else word for dots, word in _WORD.findall(str(value))
    )


def _overlap(word: str, key: str) -> bool:
    return f"{key}.".startswith(f"{word}.") or f"{word}.".startswith(f"{key}.")


def _resolved(value: Any) -> Any:
    return Config.of(OmegaConf.to_container(value, resolve=True)) if OmegaConf.is_config(value) else value


def _up_to_date(overrides: tuple[str, ...]) -> _Base:
    """What Hydra composed, with the environment as it is now."""
    base = _base(overrides, _projects())
    if base.environment != _environment(base.environment):
        _base.cache_clear()
        base = _base(overrides, _projects())
    return base


def _environment(names: Iterable[str]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


def _projects() -> tuple[Path, ...]:
    return tuple(project_folders())


@functools.lru_cache(maxsize=256)
def _base(overrides: tuple[str, ...], projects: tuple[Path, ...]) -> _Base:
    """What Hydra composes. Where one chooses a perturbation, which sweeps do most, it takes the place of another."""
    others = tuple(one for one in overrides if _perturbation(one) is None)
    if len(others) == len(overrides) - 1 and (before := _base(others, projects)).may_change_perturbation:
        (name,) = (found for one in overrides if (found := _perturbation(one)) is not None)
        composed = before.composed.copy()
        composed.perturb = perturbation_choices([name])[name].copy()
        return _Base(composed, may_change_perturbation=False)
    composed = _by_hydra("train", [*overrides])
    chosen = composed.hydra.runtime.choices.get("perturb")
    with open_dict(composed):
        del composed["hydra"]
    may = chosen is not None and composed.perturb == perturbation_choices([chosen])[chosen]
    return _Base(composed, may_change_perturbation=may)


def _perturbation(override: str) -> str | None:
    """The perturbation that an override chooses; None where it does something else."""
    parsed = parse(override)
    plain = parsed.type is OverrideType.CHANGE and parsed.package is None and not parsed.is_sweep_override()
    value = parsed.value() if plain and parsed.key_or_group == "perturb" else None
    return value if isinstance(value, str) else None


def _by_hydra(name: str | None, overrides: list[str]) -> DictConfig:
    OmegaConf.register_new_resolver("given", _given, replace=True)
    around = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with explained(known_keys), initialize_config_dir(str(CONF), version_base=None):
            return hydra_compose(name, overrides, return_hydra_config=name is not None)
    finally:
        GlobalHydra.instance().hydra = around


def _given(value: Any, otherwise: float) -> Any:
    """What `${given:${camera.iso},3200}` is: that value as a number, also of 1/60; otherwise the other one."""
    try:
        return otherwise if value is None else seconds(value)
    except ValueError:
        return value  # its own key says what is wrong with it


def perturbation_choices(names: Iterable[str]) -> dict[str, DictConfig]:
    """The choices of `perturb` by name, as they stand in their files. Raises what Hydra raises for an unknown one."""
    wanted = dict.fromkeys(names)
    known = _known_perturbations(_projects())
    if missing := [name for name in wanted if name not in known]:
        found = _by_hydra(None, [f"+perturb@{name}={name}" for name in missing])
        known.update({name: found[name] for name in missing})
    return {name: known[name] for name in wanted}


@functools.cache
def _known_perturbations(projects: tuple[Path, ...]) -> dict[str, DictConfig]:  # noqa: ARG001, as above
    return {}


def model_title(model: Config) -> str:
    """What to call a network: the name of its choice, and what was set otherwise than there."""
    if not (usual := _usual_model(str(model.name), _projects())):
        return str(model.name)
    changed = {name: value for name, value in model.items() if not _is_as_usual(value, usual.get(name))}
    inner = changed.pop("network", {}) if "path" in changed else {}
    changed |= {name: value for name, value in inner.items() if name != "_target_"}
    words = [str(changed.pop("architecture"))] if "architecture" in changed else []
    words += [Path(str(changed.pop(name))).name for name in ("file", "path") if name in changed]
    return " ".join([str(model.name), *words, *(f"{name}={value}" for name, value in changed.items())])


@functools.cache
def _usual_model(name: str, projects: tuple[Path, ...]) -> Mapping[str, Any]:
    """The choice of a model of this name, as it stands in its file; nothing where there is none."""
    try:
        raw = OmegaConf.to_container(_base((f"model={name}",), projects).composed)
    except ValueError:
        return {}
    assert isinstance(raw, dict)
    return raw["model"]


def _is_as_usual(value: Any, usual: Any) -> bool:
    return value == usual or (isinstance(usual, str) and "${" in usual)
