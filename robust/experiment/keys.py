"""The keys that our own code reads, and what each takes."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from robust.adapt import ORDERS, PROTOCOLS
from robust.experiment.rules import (
    ANYTHING,
    MAPPING,
    NUMBER,
    SWITCH,
    WORD,
    Rule,
    is_fraction,
    is_number,
    is_whole,
    is_word,
    list_of,
    whole,
)
from robust.perturb.camera import seconds
from robust.runs.searches import ACCURACIES

_NAME_MAX = 255  # bytes of a file's name
_MODES = ("default", "reduce-overhead", "max-autotune")
_FOLDER = Rule("a folder", lambda value: _may_be_path(value), "One called 7 is written ./7.")
_POSITIVE = Rule("a number > 0", lambda value: is_number(value) and value > 0)
_AT_LEAST_0 = Rule("a number >= 0", lambda value: is_number(value) and value >= 0)
_AT_LEAST_1 = Rule("a number >= 1", lambda value: is_number(value) and value >= 1)
_SECONDS = Rule("seconds above 0, such as 0.01 or 1/60", lambda value: is_fraction(value) and _is_time(value))
_SHARE = Rule("a number above 0 and at most 1", lambda value: is_number(value) and 0 < value <= 1)
_PART = Rule("a number above 0 and below 1", lambda value: is_number(value) and 0 < value < 1)
_WIDTH = Rule(
    "a number above 0 and below 0.5, such as 0.01 (accuracy to within one percentage point)",
    lambda value: is_number(value) and 0 < value < 0.5,
)
#: of `trainer.keep`: the weights of the epoch with the best validation accuracy
BEST = "best"
_KEEP = Rule(
    f"{BEST} (the epoch with the best validation accuracy), or null (the last one)", lambda value: value in (None, BEST)
)
_PROTOCOL = Rule(f"one of {', '.join(PROTOCOLS)}", lambda value: value in PROTOCOLS)
_ORDER = Rule(f"one of {', '.join(ORDERS)}", lambda value: value in ORDERS)
_LIST = list_of(WORD, "a list such as [noise, blur]")
_CALLED = Rule(
    "a mapping that names by `_target_` what is made",
    lambda value: isinstance(value, Mapping) and "_target_" in value,
)
_WORDS = list_of(WORD, "a list of words")
_WIDTHS = list_of(whole(1, 2**20), "a list of whole numbers from 1 to 1048576")
_ATTACK = Rule(
    "a mapping that names by `_target_` what is made, or `several` of such",
    lambda value: isinstance(value, Mapping) and ("_target_" in value or isinstance(value.get("several"), Mapping)),
)
_OBJECTIVE = Rule(
    f"one of {', '.join(ACCURACIES)} (on validation images), or a list of some",
    lambda value: (
        value in ACCURACIES or (isinstance(value, list) and 0 < len({*map(str, value)} & {*ACCURACIES}) == len(value))
    ),
)
_CHOICE_OF_PERTURB = Rule(
    "a mapping with the `transform` and the `level` of a choice of perturb",
    lambda value: isinstance(value, Mapping) and {"transform", "level"} <= value.keys(),
    "Choose one: perturb@attack.perturbation=noise.",
)
_STARTS = Rule(
    "networks by the part that starts from them, such as {trunk: convnet_mnist.trunk}",
    lambda value: isinstance(value, Mapping) and all(map(is_word, value.values())),
)
_LEVELS = Rule(
    "lists of levels by the name of a perturbation, such as {noise: [0.05]}, or null",
    lambda value: value is None or isinstance(value, Mapping),
)
_THREADS = Rule(
    "a whole number >= 1, or auto (one where a step is little work)",
    lambda value: value in (None, "auto") or is_whole(value, 1, 4096),
)
_SETS = Rule(
    "a folder, {name: folder}, or a list of such",
    lambda value: all(map(_may_be_sets, value)) if isinstance(value, list) else _may_be_sets(value),
    "One called 7 is written ./7.",
)
_NAME = Rule("a word", lambda value: isinstance(value, str) and value != "" and value.isprintable())


def _may_be_path(value: object) -> bool:
    return is_word(value) and value != "" and all(len(os.fsencode(part)) <= _NAME_MAX for part in str(value).split("/"))


def _may_be_sets(value: object) -> bool:
    named = value if isinstance(value, Mapping) else {"": value}
    return bool(named) and all(isinstance(name, str) and _may_be_path(one) for name, one in named.items())


def _is_time(value: float | str) -> bool:
    try:
        return seconds(value) > 0
    except ValueError:
        return False


class Key(NamedTuple):
    """What a key takes, and whether every run has it."""

    rule: Rule
    needed: bool = True


#: the keys that our own code reads; `*` is any name
KEYS = {
    "adapt": Key(_CALLED.or_null(), needed=False),
    "adapt.batch_size": Key(whole(1), needed=False),
    "adapt.name": Key(_NAME, needed=False),
    "adapt.order": Key(_ORDER, needed=False),
    "adapt.protocol": Key(_PROTOCOL, needed=False),
    "attack": Key(_ATTACK),
    "attack.perturbation": Key(_CHOICE_OF_PERTURB, needed=False),
    "attack.several": Key(MAPPING, needed=False),
    "attack.several.*": Key(_CALLED.or_null(), needed=False),
    "camera.distance": Key(_POSITIVE, needed=False),
    "camera.f_number": Key(_POSITIVE.or_null(), needed=False),
    "camera.highest": Key(_POSITIVE, needed=False),
    "camera.iso": Key(_POSITIVE.or_null(), needed=False),
    "camera.lens": Key(MAPPING, needed=False),
    "camera.lux": Key(_POSITIVE.or_null(), needed=False),
    "camera.name": Key(_NAME, needed=False),
    "camera.native_pixels": Key(_AT_LEAST_1, needed=False),
    "camera.sensor": Key(MAPPING, needed=False),
    "camera.shutter": Key(_SECONDS.or_null(), needed=False),
    "camera.slowest": Key(_SECONDS, needed=False),
    "camera.speed": Key(_AT_LEAST_0, needed=False),
    "camera.temperature": Key(NUMBER, needed=False),
    "camera.widest": Key(_POSITIVE, needed=False),
    "data.augment": Key(_CALLED.or_null()),
    "data.batch_size": Key(whole(1)),
    "data.cache_dir": Key(_FOLDER.or_null()),
    "data.categories": Key(ANYTHING, needed=False),
    "data.classes": Key(_WORDS.or_null(), needed=False),
    "data.columns": Key(_WORDS.or_null(), needed=False),
    "data.dataset": Key(_NAME, needed=False),
    "data.dir": Key(_FOLDER),
    "data.download": Key(SWITCH, needed=False),
    "data.drop_last": Key(SWITCH),
    "data.in_digest": Key(_WORDS, needed=False),
    "data.labels": Key(_SHARE.or_null()),
    "data.memory": Key(_POSITIVE.or_null(), needed=False),
    "data.name": Key(_NAME),
    "data.path": Key(_FOLDER, needed=False),
    "data.shuffle": Key(SWITCH),
    "data.resize": Key(whole(1).or_null(), needed=False),
    "data.source": Key(_CALLED),
    "data.split": Key(_NAME, needed=False),
    "data.test_per_class": Key(whole(1).or_null()),
    "data.validation": Key(_PART.or_null()),
    "evaluation.batch_size": Key(whole(1)),
    "evaluation.conditions": Key(_LEVELS),
    "evaluation.decide": Key(SWITCH, needed=False),
    "evaluation.distance": Key(SWITCH, needed=False),
    "evaluation.families": Key(_LIST),
    "evaluation.once": Key(_LIST),
    "evaluation.own_family": Key(SWITCH),
    "evaluation.published": Key(_SETS.or_null()),
    "evaluation.seed": Key(whole(0)),
    "evaluation.sequences": Key(SWITCH),
    "evaluation.temperature": Key(SWITCH, needed=False),
    "evaluation.tolerance": Key(MAPPING.or_null(), needed=False),
    "evaluation.tolerance.between": Key(whole(0, 1000), needed=False),
    "evaluation.tolerance.share": Key(_SHARE, needed=False),
    "evaluation.tolerance.target": Key(_PART.or_null(), needed=False),
    "evaluation.trials": Key(whole(1)),
    "evaluation.until": Key(_WIDTH.or_null(), needed=False),
    "force": Key(SWITCH),
    "label_smoothing": Key(_PART.or_null()),
    "logger": Key(_CALLED),
    "logger.look": Key(WORD, needed=False),
    "lr_scheduler": Key(_CALLED.or_null()),
    "lr_scheduler.warmup_epochs": Key(_AT_LEAST_0.or_null(), needed=False),
    "model": Key(_CALLED),
    "model.classes": Key(Rule("a file of classes, a line for each output", _may_be_path).or_null(), needed=False),
    "model.file": Key(Rule("a file", _may_be_path), needed=False),
    "model.name": Key(_NAME),
    "model.path": Key(Rule("a folder, or package.module:name", _may_be_path), needed=False),
    "optimizer": Key(_CALLED),
    "optimizer.lr": Key(_POSITIVE),
    "optimizer.momentum": Key(_AT_LEAST_0.or_null(), needed=False),
    "optimizer.nesterov": Key(SWITCH, needed=False),
    "optimizer.weight_decay": Key(_AT_LEAST_0.or_null(), needed=False),
    "pack": Key(whole(1).or_word("stacked", "those of one architecture as one").or_word("auto", "whatever is fastest")),
    "parent": Key(MAPPING),
    "perturb.family": Key(_NAME.or_null()),
    "perturb.fresh": Key(SWITCH),
    "perturb.level": Key(_AT_LEAST_0),
    "perturb.otherwise": Key(_NAME.or_null(), needed=False),
    "perturb.transform": Key(_CALLED.or_null()),
    "plan": Key(SWITCH),
    "recipe.*": Key(MAPPING),
    "recipe.*.batch_size": Key(whole(1), needed=False),
    "recipe.*.drop_last": Key(SWITCH, needed=False),
    "recipe.*.head": Key(_WIDTHS, needed=False),
    "recipe.*.lr": Key(_POSITIVE, needed=False),
    "recipe.*.lr_scheduler": Key(_CALLED.or_null(), needed=False),
    "recipe.*.lr_scheduler.warmup_epochs": Key(_AT_LEAST_0.or_null(), needed=False),
    "recipe.*.max_epochs": Key(whole(1), needed=False),
    "recipe.*.momentum": Key(_AT_LEAST_0.or_null(), needed=False),
    "recipe.*.optimizer": Key(_NAME, needed=False),
    "recipe.*.weight_decay": Key(_AT_LEAST_0.or_null(), needed=False),
    "restore": Key(_CALLED.or_null(), needed=False),
    "restore.level": Key(_AT_LEAST_0.or_null(), needed=False),
    "restore.name": Key(_NAME, needed=False),
    "restore.perturb": Key(_NAME, needed=False),
    "runs_dir": Key(_FOLDER),
    "seed": Key(whole(0)),
    "sweep": Key(MAPPING, needed=False),
    "sweep.name": Key(_NAME, needed=False),
    "sweep.products": Key(ANYTHING, needed=False),
    "sweep.search": Key(MAPPING, needed=False),
    "sweep.search.at": Key(_NAME, needed=False),
    "sweep.search.joules": Key(_POSITIVE.or_null(), needed=False),
    "sweep.search.minutes": Key(_POSITIVE.or_null(), needed=False),
    "sweep.search.objective": Key(_OBJECTIVE, needed=False),
    "sweep.search.race": Key(SWITCH, needed=False),
    "sweep.search.runs": Key(whole(2).or_null(), needed=False),
    "sweep.search.seed": Key(whole(0), needed=False),
    "sweep.search.under": Key(_LEVELS, needed=False),
    "sweep.search.workers": Key(whole(1).or_null(), needed=False),
    "task.head": Key(_WIDTHS, needed=False),
    "task.images": Key(_CALLED, needed=False),
    "task.module": Key(_CALLED),
    "task.name": Key(_NAME),
    "task.network": Key(_NAME, needed=False),
    "task.outputs": Key(Rule("a whole number >= 1, of the head", whole(1, 2**20).holds), needed=False),
    "task.shuffle": Key(SWITCH, needed=False),
    "task.stage": Key(_NAME),
    "task.start": Key(_STARTS),
    "task.tested": Key(SWITCH),
    "task.trainable": Key(_WORDS.or_null()),
    "technique.head": Key(_WIDTHS.or_null()),
    "technique.name": Key(_NAME),
    "technique.network": Key(_NAME, needed=False),
    "technique.objective": Key(_CALLED, needed=False),
    "technique.share": Key(_CALLED.or_null()),
    "technique.stage": Key(_NAME),
    "technique.start": Key(Rule("natural, pretrained, a task or the folder of a run", _may_be_path).or_null()),
    "technique.trainable": Key(_WORDS.or_null()),
    "trainer": Key(_CALLED),
    "trainer.accumulate_grad_batches": Key(whole(1).or_null()),
    "trainer.channels_last": Key(SWITCH),
    "trainer.checkpoint_every_s": Key(_AT_LEAST_0),
    "trainer.compile": Key(Rule(f"null or one of {', '.join(_MODES)}", lambda value: value is None or value in _MODES)),
    "trainer.devices": Key(whole(1).or_word("auto", "all GPUs")),
    "trainer.ema": Key(_PART.or_null()),
    "trainer.gradient_clip_val": Key(_POSITIVE.or_null()),
    "trainer.keep": Key(_KEEP),
    "trainer.max_epochs": Key(whole(1)),
    "trainer.num_nodes": Key(whole(1)),
    "trainer.patience": Key(whole(1).or_null()),
    "trainer.progress": Key(SWITCH),
    "trainer.threads": Key(_THREADS),
    "weights": Key(Rule("imagenet or a file of weights", _may_be_path).or_null()),
}
