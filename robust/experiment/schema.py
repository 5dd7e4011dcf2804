"""Which keys there are and what each takes: a table of those that our own code reads, and the signature of whatever a
configuration has called (`_target_`)."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from robust.errors import ParameterError, one_line
from robust.experiment.rules import (
    ANYTHING,
    MAPPING,
    NUMBER,
    SWITCH,
    WORD,
    Rule,
    is_number,
    is_whole,
    list_of,
    locate,
    parameters_of,
    rule_of,
    whole,
)
from robust.learn import Adversarial, Trades
from robust.learn.adversary import SignAdversary
from robust.models import Autoencoder, Estimator, TripleStaged

_MODES = ("default", "reduce-overhead", "max-autotune")
_FOLDER = Rule("a folder", lambda value: isinstance(value, str) and value != "", "One called 7 is written ./7.")
_POSITIVE = Rule("a number > 0", lambda value: is_number(value) and value > 0)
_AT_LEAST_0 = Rule("a number >= 0", lambda value: is_number(value) and value >= 0)
_SHARE = Rule("a number above 0 and at most 1", lambda value: is_number(value) and 0 < value <= 1)
_LIST = list_of(WORD, "a list such as [noise, blur]")
_CALLED = Rule(
    "a mapping that names by `_target_` what is made",
    lambda value: isinstance(value, Mapping) and "_target_" in value,
)
_WORDS = list_of(WORD, "a list of words")
_WIDTHS = list_of(whole(1, 2**20), "a list of whole numbers from 1 to 1048576")
_LEVELS = Rule(
    "lists of levels by the name of a perturbation, such as {noise: [0.05]}, or null",
    lambda value: value is None or isinstance(value, Mapping),
)
_NAME = Rule("a word", lambda value: isinstance(value, str) and value != "" and value.isprintable())


class Key(NamedTuple):
    """What a key takes, and whether every run has it."""

    rule: Rule
    needed: bool = True


#: the keys that our own code reads; `*` is any name
KEYS = {
    "attack": Key(MAPPING),
    "attack.perturbation": Key(MAPPING, needed=False),
    "attack.several": Key(MAPPING, needed=False),
    "attack.several.*": Key(MAPPING.or_null(), needed=False),
    "data.augment": Key(_CALLED.or_null()),
    "data.batch_size": Key(whole(1)),
    "data.cache_dir": Key(_FOLDER.or_null()),
    "data.categories": Key(ANYTHING, needed=False),
    "data.dir": Key(_FOLDER),
    "data.download": Key(SWITCH, needed=False),
    "data.labels": Key(_SHARE.or_null()),
    "data.name": Key(_NAME),
    "data.none": Key(SWITCH, needed=False),
    "data.parameters": Key(_WORDS.or_null(), needed=False),
    "data.path": Key(_FOLDER, needed=False),
    "data.shuffle": Key(SWITCH),
    "data.source": Key(_CALLED),
    "evaluation.batch_size": Key(whole(1)),
    "evaluation.conditions": Key(_LEVELS),
    "evaluation.families": Key(_LIST),
    "evaluation.natural_adversarial": Key(_FOLDER.or_null()),
    "evaluation.own_family": Key(SWITCH),
    "evaluation.seed": Key(whole(0)),
    "evaluation.trials": Key(whole(1)),
    "force": Key(SWITCH),
    "logger": Key(_CALLED),
    "logger.look": Key(WORD, needed=False),
    "lr_scheduler": Key(_CALLED.or_null()),
    "model": Key(_CALLED),
    "model.name": Key(_NAME),
    "optimizer": Key(_CALLED),
    "optimizer.lr": Key(_POSITIVE),
    "optimizer.momentum": Key(_AT_LEAST_0.or_null(), needed=False),
    "optimizer.weight_decay": Key(_AT_LEAST_0.or_null(), needed=False),
    "pack": Key(whole(1).or_word("auto", "as many runs as are fastest")),
    "parent": Key(MAPPING),
    "perturb.family": Key(_NAME.or_null()),
    "perturb.fresh": Key(SWITCH),
    "perturb.level": Key(_AT_LEAST_0),
    "perturb.transform": Key(_CALLED.or_null()),
    "plan": Key(SWITCH),
    "recipe.*": Key(MAPPING),
    "recipe.*.batch_size": Key(whole(1), needed=False),
    "recipe.*.head": Key(_WIDTHS, needed=False),
    "recipe.*.lr": Key(_POSITIVE, needed=False),
    "recipe.*.lr_scheduler": Key(_CALLED.or_null(), needed=False),
    "recipe.*.max_epochs": Key(whole(1), needed=False),
    "recipe.*.momentum": Key(_AT_LEAST_0.or_null(), needed=False),
    "recipe.*.optimizer": Key(_NAME, needed=False),
    "recipe.*.weight_decay": Key(_AT_LEAST_0.or_null(), needed=False),
    "runs_dir": Key(_FOLDER),
    "seed": Key(whole(0)),
    "sweep": Key(MAPPING, needed=False),
    "task.head": Key(_WIDTHS, needed=False),
    "task.images": Key(_CALLED, needed=False),
    "task.module": Key(_CALLED),
    "task.name": Key(_NAME),
    "task.network": Key(_NAME, needed=False),
    "task.none": Key(SWITCH),
    "task.outputs": Key(Rule("a whole number >= 1, of the head", whole(1, 2**20).holds), needed=False),
    "task.shuffle": Key(SWITCH, needed=False),
    "task.stage": Key(_NAME),
    "task.start": Key(MAPPING),
    "task.tested": Key(SWITCH),
    "task.trainable": Key(_WORDS.or_null()),
    "technique.head": Key(_WIDTHS.or_null()),
    "technique.name": Key(_NAME),
    "technique.objective": Key(_CALLED, needed=False),
    "technique.share": Key(_CALLED.or_null()),
    "technique.stage": Key(_NAME),
    "technique.start": Key(_NAME.or_null()),
    "technique.trainable": Key(_WORDS.or_null()),
    "trainer": Key(_CALLED),
    "trainer.channels_last": Key(SWITCH),
    "trainer.checkpoint_every_s": Key(_AT_LEAST_0),
    "trainer.compile": Key(Rule(f"null or one of {', '.join(_MODES)}", lambda value: value is None or value in _MODES)),
    "trainer.devices": Key(whole(1).or_word("auto", "all GPUs")),
    "trainer.max_epochs": Key(whole(1)),
    "trainer.num_nodes": Key(whole(1)),
    "trainer.progress": Key(SWITCH),
    "trainer.threads": Key(Rule("a whole number >= 1", lambda value: value is None or is_whole(value, 1, 4096))),
    "weights": Key(_NAME.or_null()),
}
#: of what is called, the arguments that we give ourselves
_GIVEN = {
    "attack": ("described",),
    "attack.several.*": ("described",),
    "logger": ("tracked",),
    "model": ("image_shape", "num_classes"),
    "optimizer": ("params",),
    "task.images": ("splits",),
    "task.module": ("model", "optimizer", "lr_scheduler", "objective", "goes_on", "seed"),
    "trainer": ("title", "checkpoint", "callbacks", "logger"),
}
#: what a class hands those of its arguments to that it does not name
_HANDED_ON: dict[Any, Any] = {
    Adversarial: SignAdversary,
    Trades: SignAdversary,
    Autoencoder: Estimator,
    TripleStaged: Estimator,
}
_FRACTIONS = ("attack", "attack.several.*", "technique.objective")
_CONDITION = list_of(NUMBER, "a list such as [0.05]").or_null()


class Found(NamedTuple):
    """A key of a configuration, what it takes, None where nobody reads it, and its value."""

    name: str
    rule: Rule | None
    value: Any


def survey(config: Mapping[str, Any], is_read: Callable[[str], bool] = lambda _: False) -> list[Found]:
    """Every key of a configuration with its rule, those of recipes first: others take their values. `is_read` says of a
    key that is not in the table whether another value refers to it. Raises ParameterError for a `_target_` that cannot
    be called."""
    return sorted(_walk(config, "", is_read), key=lambda one: not one.name.startswith("recipe."))


def check_keys(found: Sequence[Found]) -> None:
    """Raises ValueError for a key that nobody reads, and for one that every run has and this has not."""
    for one in found:
        if one.rule is None:
            raise ValueError(_explain_unknown(one.name, [other.name for other in found if other.rule]))
        if _is_group(_general(one.name)):  # else its keys would be missed
            one.rule.check(one.name, one.value)
    there = {_general(one.name) for one in found}
    if missing := [name for name, key in KEYS.items() if key.needed and name not in there]:
        raise ValueError(f"`{missing[0]}` must be given: {KEYS[missing[0]].rule.words}.")


def _explain_unknown(name: str, known: Sequence[str]) -> str:
    """What to say of a key that nobody reads, with the nearest beside it."""
    beside, _, word = name.rpartition(".")
    others = [one.rpartition(".")[2] for one in known if one.rpartition(".")[0] == beside]
    near = difflib.get_close_matches(word, others, n=1, cutoff=0.6)
    if near:
        advice = f"Did you mean `{f'{beside}.{near[0]}'.lstrip('.')}`?"
    elif beside and others:
        advice = f"In `{beside}` there are {', '.join(others)}."
    else:
        advice = "`python train.py --cfg job` lists all."
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
    complete = True
    if general not in ("attack", "attack.several.*") or target is not None:
        known, complete = _parameters(f"{path}._target_", target)
        if "search" in node:
            known = {**_parameters(f"{path}.search", node["search"])[0], **known}

    def rule(word: str) -> Rule | None:
        if word in _GIVEN.get(general, ()) or (complete and word not in known):
            return None
        found = rule_of(known[word].annotation, fractions=general in _FRACTIONS) if word in known else None
        return found or ANYTHING

    return rule


def _parameters(name: str, target: object) -> tuple[dict[str, inspect.Parameter], bool]:
    """What may be given to what a dotted name stands for, and whether that is all. Raises ParameterError where it
    stands for nothing that can be called."""
    rule = "the dotted name of a class or function that can be imported"
    if not isinstance(target, str):
        raise ParameterError(name, rule, target)
    try:
        return _signature(target)
    except Exception as error:  # of any kind: it imports what others wrote
        raise ParameterError(name, rule, target, f"It says: {one_line(error)}.") from error


@functools.lru_cache(maxsize=512)
def _signature(target: str) -> tuple[dict[str, inspect.Parameter], bool]:
    called = locate(target)
    found, complete = parameters_of(called)
    return ({**parameters_of(_HANDED_ON[called])[0], **found}, True) if called in _HANDED_ON else (found, complete)
