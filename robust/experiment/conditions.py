"""What a configuration has a network tested under."""

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from robust.errors import check, notify
from robust.experiment.build import as_level, build_perturbation
from robust.experiment.compose import perturbation_choices
from robust.experiment.overrides import parse
from robust.measure import Condition
from robust.perturb import Perturbation
from robust.runs.config import Config, everything

_OF_CAMERAS = ("iso", "defocus", "shutter", "row_noise", "light", "camera", "triangle")
_CAPTURE = "capture"  # the family of what a camera does
_CONDITIONS = "evaluation.conditions."


def build_conditions(config: Config, shape: tuple[int, int, int], *, own_family: str | None = None) -> list[Condition]:
    """What `evaluation` and `camera` say: natural images, then each chosen perturbation at each of its levels.

    Chosen are the perturbations of `own_family`, if `evaluation.own_family` asks for that and there are any, else those
    of `evaluation.families`; those of `evaluation.once` are tested in one trial. Nothing at all with `evaluation=none`.
    Raises ValueError for what images of `shape` (channels, height, width) cannot be tested under.
    """
    evaluation, camera = config.evaluation, json.dumps(config.get("camera"))
    if evaluation.conditions is None:
        return []
    own = own_family if evaluation.own_family else None
    families = tuple(evaluation.families), tuple(evaluation.get("once") or ())
    chosen = json.dumps(evaluation.conditions), camera, *families, shape, own
    built = _build_conditions(*chosen)
    if not all(one.perturbation is None or one.perturbation.is_current() for one in built):
        _build_conditions.cache_clear()
        built = _build_conditions(*chosen)
    return list(built)


@functools.lru_cache(maxsize=64)
def _build_conditions(
    described: str,
    camera: str,
    families: tuple[str, ...],
    once: tuple[str, ...],
    shape: tuple[int, int, int],
    own_family: str | None,
) -> tuple[Condition, ...]:
    levels: dict[str, Any] = json.loads(described)
    try:
        choices = perturbation_choices(levels)
    except ValueError as error:
        raise ValueError(f"`evaluation.conditions` names what is no perturbation: {error}") from error
    known = {choice.family for choice in choices.values()}
    if unknown := set(families) - known:
        theirs = "".join(f" {one} is of {choices[one].family}." for one in sorted(unknown & {*choices}))
        raise ValueError(
            f"`evaluation.families` must be among {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}.{theirs}"
        )
    chosen = [own_family] if own_family in known else families
    conditions = [Condition()]
    for name, choice in choices.items():
        key = f"evaluation.conditions.{name}"
        for f_number, level in _settings(name, levels[name]):
            perturb = at_level(choice, level, {**(json.loads(camera) or {}), **f_number})
            condition = Condition(available_perturbation(perturb, key), once=choice.family in once)
            if choice.family not in chosen:
                continue
            with as_level(perturb, key):
                condition.check(shape)
            conditions.append(condition)
    return tuple(conditions)


def _settings(name: str, levels: Any) -> list[tuple[dict[str, float], float]]:
    """Each level once; of those that are given by f-number, what that sets of the camera besides."""
    if not isinstance(levels, Mapping):
        return [({}, level) for level in dict.fromkeys(levels or ())]
    rule = "a list of levels: only those of triangle may be given by f-number"
    check(f"{_CONDITIONS}{name}", levels, rule, name == "triangle")
    by_f_number = ((f_number, _settings(name, inner)) for f_number, inner in levels.items())
    return [({"f_number": float(f_number)}, level) for f_number, inner in by_f_number for _, level in inner]


def available_perturbation(perturb: Config, key: str = "perturb.level") -> Perturbation | None:
    """The perturbation; where it lacks files, the one that its choice names to be tested `otherwise`."""
    try:
        return build_perturbation(perturb, key=key)
    except FileNotFoundError as error:
        if not (name := perturb.get("otherwise")):
            raise
        notify(f"{error} It is tested instead.")
        return build_perturbation(at_level(perturbation_choices([name])[name], perturb.level), key=key)


def at_level(choice: DictConfig, level: float, camera: Mapping[str, Any] | None = None) -> Config:
    """A choice of `perturb` at a level; one of a camera, of this."""
    changed = choice.copy()
    changed.level = level
    around = OmegaConf.create({"perturb": changed, "camera": camera})
    perturb: Config = Config.of(OmegaConf.to_container(around.perturb, resolve=True))
    return perturb


def choice_of(name: str) -> str:
    """The choice of `perturb` that makes perturbations of this name: that of a camera has the camera's name behind."""
    return next((choice for choice in _OF_CAMERAS if name.startswith(f"{choice}@")), name)


def check_used(overrides: Iterable[str], configs: Collection[Config]) -> None:
    """Raises ValueError where these overrides set levels of a perturbation that none of these configurations tests, or
    a camera that none of them takes pictures with."""
    every = [*map(parse, overrides)]
    given = [one for one in every if one.key_or_group.startswith(_CONDITIONS) and not one.is_delete()]
    for name in dict.fromkeys(one.key_or_group.removeprefix(_CONDITIONS) for one in given if one.value()):
        family = perturbation_choices([name])[name].family
        if not any(family in tested_families(one) for one in configs):
            families = next(iter(configs)).evaluation.families
            raise ValueError(
                f"`{_CONDITIONS}{name}` must be of a family that is tested; got one of {family}, and "
                f"`evaluation.families` are [{', '.join(families)}]. Set evaluation.families="
                f"[{','.join([*families, family])}]."
            )
    of_camera = [one.key_or_group for one in every if one.key_or_group.partition(".")[0] == "camera"]
    if of_camera and not any(camera_of(one) or _takes_pictures(one) for one in configs):
        raise ValueError(
            f"`{of_camera[0]}` must be left out where no camera takes pictures. Train on one (perturb=iso, or "
            f"{', '.join(_OF_CAMERAS[1:])}), or test under one: evaluation=capture, evaluation.conditions.iso=[3200] "
            "evaluation.families=[capture]."
        )


def _takes_pictures(config: Config) -> bool:
    """Whether training, or an attack, is through a camera."""
    nodes = everything({"perturb": config.perturb, "attack": config.attack})
    return any(name.rpartition(".")[2] == "family" and value == _CAPTURE for name, value in nodes)


def camera_of(config: Config) -> Config | None:
    """The camera that a run is tested under; None without one."""
    tested = [one for one in config.evaluation.conditions or () if one in _OF_CAMERAS]
    return config.get("camera") if tested and _CAPTURE in tested_families(config) else None


def tested_families(config: Config) -> list[str]:
    """The families that a run is tested under, with its own where there are tests of that."""
    evaluation, own = config.evaluation, config.perturb.family
    known = {choice.family for choice in perturbation_choices(evaluation.conditions or ()).values()}
    return [*evaluation.families, *([own] if evaluation.own_family and own in known else [])]
