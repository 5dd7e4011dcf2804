"""Which keys there are and what each takes: a table of those that our own code reads, and the signature of whatever a
configuration has called (`_target_`)."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from robust.adapt import Adapting
from robust.attack import AttackPlan
from robust.data import Augmentation, Cutout, DrawnOperations, Mixing
from robust.errors import ParameterError
from robust.experiment.keys import KEYS
from robust.experiment.rules import (
    ANYTHING,
    NUMBER,
    Rule,
    list_of,
    locate,
    parameters_of,
    rule_of,
    why_not,
)
from robust.learn import Adversarial, Constant, JSDConsistency, Linear, OneCycle, Perturbed, Steps, Task, Trades
from robust.perturb import Perturbation
from robust.restore import Restoration
from robust.track import Tracker

#: of what is called, the arguments that we give ourselves
_GIVEN = {
    "adapt": ("network", "image_shape", "num_classes"),
    "attack": ("described",),
    "attack.several.*": ("described",),
    "logger": ("tracked",),
    "model": ("image_shape", "num_classes"),
    "optimizer": ("params",),
    "restore": ("image_shape",),
    "task.images": ("splits",),
    "task.module": (
        *("model", "optimizer", "lr_scheduler", "warmup_epochs", "label_smoothing", "objective"),
        *("keep_standardization", "seed"),
    ),
    "trainer": ("title", "checkpoint", "callbacks", "logger"),
}
#: what is to be made; what is neither of robust nor of torch need only do the same where that is no base class
_BASES = (Adapting, AttackPlan, Perturbation, Restoration, Task, Tracker, nn.Module, torch.optim.Optimizer)
_KINDS: dict[str, tuple[type, ...]] = {
    "adapt": (Adapting,),
    "attack": (AttackPlan,),
    "attack.several.*": (AttackPlan,),
    "data.augment": (Augmentation, Cutout, DrawnOperations, Mixing),
    "logger": (Tracker,),
    "lr_scheduler": (Constant, Linear, OneCycle, Steps),
    "model": (nn.Module,),
    "optimizer": (torch.optim.Optimizer,),
    "perturb.transform": (Perturbation,),
    "recipe.*.lr_scheduler": (Constant, Linear, OneCycle, Steps),
    "task.module": (Task,),
    "restore": (Restoration,),
    "technique.objective": (Adversarial, JSDConsistency, Perturbed, Trades),
    "technique.share": (Constant, Linear, Steps),
}
_FRACTIONS = ("attack", "attack.several.*", "technique.objective")
_LEVELS = list_of(NUMBER, "a list such as [0.05]")
_CONDITION = Rule(
    "a list such as [0.05], of triangle one for each f-number ({2.8: [100, 800]}), or null",
    lambda value: value is None or _LEVELS.holds(value) or _is_by_f_number(value),
)


class Found(NamedTuple):
    """A key of a configuration, what it takes, None for an unread key, and its value."""

    name: str
    rule: Rule | None
    value: Any


def survey(config: Mapping[str, Any], is_read: Callable[[str], bool] = lambda _: False) -> list[Found]:
    """Every key of a configuration with its rule, those of recipes first: others take their values. `is_read` says of a
    key that is not in the table whether another value refers to it. Raises ParameterError for a `_target_` that cannot
    be called."""
    return sorted(_walk(config, "", is_read), key=lambda one: not one.name.startswith("recipe."))


def check_keys(found: Sequence[Found]) -> None:
    """Raises ValueError for an unread key, and for a missing one that every run has."""
    for one in found:
        if one.rule is None:
            raise ValueError(_explain_unknown(one.name, [other.name for other in found if other.rule]))
        if _is_group(_general(one.name)):  # else its keys would be missed
            one.rule.check(one.name, one.value)
    there = {_general(one.name) for one in found}
    if missing := [name for name, key in KEYS.items() if key.needed and name not in there]:
        raise ValueError(f"`{missing[0]}` must be given: {KEYS[missing[0]].rule.words}.")


def _explain_unknown(name: str, known: Sequence[str]) -> str:
    """What to say of an unread key, with the nearest beside it."""
    beside, _, word = name.rpartition(".")
    others = [one.rpartition(".")[2] for one in known if one.rpartition(".")[0] == beside]
    near = difflib.get_close_matches(word, others, n=1, cutoff=0.6)
    if near:
        advice = f"Did you mean `{f'{beside}.{near[0]}'.lstrip('.')}`?"
    elif beside and others:
        advice = f"In `{beside}` there are {', '.join(others)}."
    else:
        advice = "`robust train --cfg job` lists all."
    return f"`{name}` is not a key: nothing reads it. {advice}"


def _walk(node: Mapping[str, Any], path: str, is_read: Callable[[str], bool]) -> Iterator[Found]:
    arguments = _arguments(node, path) if "_target_" in node else None
    for word, value in node.items():
        name = f"{path}.{word}".lstrip(".")
        general = _general(name)
        group = isinstance(value, Mapping) and ("_target_" in value or _is_group(general))
        if general in KEYS:
            yield Found(name, KEYS[general].rule, value)
        elif arguments is not None:
            if word != "_target_":
                yield Found(name, arguments(word), value)
        elif general.startswith("evaluation.conditions."):
            yield Found(name, _CONDITION, value)
        elif not _is_group(general) or not isinstance(value, Mapping):
            yield Found(name, ANYTHING if is_read(name) else None, value)
        if group:
            yield from _walk(value, name, is_read)


def _is_by_f_number(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(re.fullmatch(r"\d+(\.\d+)?", str(name)) and _LEVELS.holds(one) for name, one in value.items())


def _general(name: str) -> str:
    """The name that a key goes by in the table."""
    name = re.sub(r"^attack\.several\.[^.]+(?=\.)", "attack", name)
    name = re.sub(r"^attack\.several\.[^.]+$", "attack.several.*", name)
    name = re.sub(r"^attack\.perturbation(?=\.)", "perturb", name)
    return re.sub(r"^recipe\.[^.]+", "recipe.*", name)


@functools.cache
def _is_group(general: str) -> bool:
    """Whether it holds keys of the table."""
    return general in ("attack.perturbation", "evaluation.conditions") or any(
        one.startswith(f"{general}.") for one in KEYS
    )


def _arguments(node: Mapping[str, Any], path: str) -> Callable[[str], Rule | None]:
    """The rule for each argument of what a node has called; None for what it does not take."""
    general, target = _general(path), node["_target_"]
    known: dict[str, inspect.Parameter] = {}
    complete = False  # without an attack any are taken: a sweep may say how it attacks
    if general not in ("attack", "attack.several.*") or target is not None:
        known, complete = _parameters(f"{path}._target_", target)
        _check_kind(f"{path}._target_", target, _KINDS.get(general, (object,)))
        if "search" in node:
            known = {**_parameters(f"{path}.search", node["search"])[0], **known}

    def rule(word: str) -> Rule | None:
        if word in _GIVEN.get(general, ()) or (complete and word not in known):
            return None
        found = rule_of(known[word].annotation, fractions=general in _FRACTIONS) if word in known else None
        return found or ANYTHING

    return rule


def _check_kind(name: str, target: str, kinds: tuple[type, ...]) -> None:
    called = locate(target)
    own = not str(getattr(called, "__module__", "")).startswith(("robust.", "torch."))
    fits = issubclass(called, kinds) if isinstance(called, type) else own or kinds == (object,)
    if not fits and not (own and {*kinds}.isdisjoint(_BASES)):
        known = " or ".join(one.__name__ for one in kinds)
        raise ParameterError(name, f"the name of a class such as {known}", target)


def _parameters(name: str, target: object) -> tuple[dict[str, inspect.Parameter], bool]:
    """What may be given to what a dotted name stands for, and whether that is all. Raises ParameterError where it
    stands for nothing that can be called."""
    rule = "the dotted name of a class or function that can be imported"
    if not isinstance(target, str):
        raise ParameterError(name, rule, target)
    try:
        return _signature(target)
    except Exception as error:  # of any kind: it imports what others wrote
        raise ParameterError(name, rule, target, why_not(target, error)) from error


@functools.lru_cache(maxsize=512)
def _signature(target: str) -> tuple[dict[str, inspect.Parameter], bool]:
    called = locate(target)
    found, complete = parameters_of(called)
    other = getattr(called, "hands_on", None)  # the class that it hands those arguments to that it does not name
    return ({**parameters_of(other)[0], **found}, True) if other is not None else (found, complete)
