"""The search, image by image, for the levels that a run tolerates."""

import itertools
import operator
from typing import TYPE_CHECKING

import pandas as pd
from torch import nn

from robust.errors import check
from robust.experiment.compose import perturbation_choices
from robust.experiment.conditions import build_conditions, choice_of, tested_families
from robust.measure.limits import LIMIT_KEY, Search, between, measure_limits
from robust.measure.suites import LESS_IS_WORSE, unit_of
from robust.perturb.corruptions import CORRUPTIONS
from robust.runs.config import Config
from robust.runs.contents import if_sound
from robust.runs.limits import LIMITS, read_limits

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment

_FEWEST = 4  # levels of a perturbation: fewer make no curve
_WHOLE = "faulty pixels"  # a unit that is counted


def build_searches(config: Config, shape: tuple[int, int, int]) -> list[Search]:
    """What `evaluation.tolerance` has searched, image by image: each perturbation that is tested, at its levels and
    others between them. Raises ValueError for levels that no curve goes through."""
    asked = config.evaluation.get("tolerance")
    check_tolerance(config)
    if not asked or not asked.get("between"):
        return []
    tested = config.evaluation.conditions
    levels = {name: between(tested[name], asked.between, whole=unit_of(name) == _WHOLE) for name in tolerated(config)}
    finer = config.changed({"evaluation.conditions": levels})
    conditions, found = build_conditions(finer, shape, own_family=config.perturb.family)[1:], []
    for name, group in itertools.groupby(conditions, key=operator.attrgetter("name")):
        some = sorted(group, key=lambda one: one.level, reverse=choice_of(name) in LESS_IS_WORSE)
        found.append(Search(tuple(some), config.evaluation.seed if some[0].random else 0))
    return found


def tolerated(config: Config) -> list[str]:
    """The perturbations, among those that are tested, whose tolerated levels are asked for."""
    evaluation = config.evaluation
    if not evaluation.get("tolerance") or not evaluation.conditions:
        return []
    choices, families = perturbation_choices(evaluation.conditions), tested_families(config)
    return [name for name, one in choices.items() if one.family in families and evaluation.conditions[name]]


def check_tolerance(config: Config) -> None:
    """Raises ValueError where tolerated levels are asked for of what has none, or at too few."""
    for name in tolerated(config):
        key, levels = f"evaluation.conditions.{name}", config.evaluation.conditions[name]
        rule = "left out with `evaluation.tolerance`: severities of published corruptions are no quantity"
        check(key, levels, rule, name not in CORRUPTIONS, f"Leave it out: ~{key}.")
        holds = len({*levels}) >= _FEWEST and min(levels) > 0
        rule = f"at least {_FEWEST} different levels above 0 with `evaluation.tolerance`"
        check(key, levels, rule, holds, "Spread them from one that does no harm to one that leaves nothing.")


def limits_missing(run: "Experiment") -> list[Search]:
    """The searches that this evaluation asks for and that were not made yet, or by other code than there is now."""
    if not run.conditions or not (planned := build_searches(run.config, run.splits.test.shape)):
        return []
    known, stale = if_sound(lambda: read_limits(run.files)), run.stale()
    made = set() if known is None else {(*one, tuple(levels)) for *one, levels in known[[*LIMIT_KEY, "levels"]].values}
    return [one for one in planned if one.key not in made or one.key[0] in stale]


def measure_missing_limits(run: "Experiment", missing: list[Search], model: nn.Module) -> None:
    """Makes these searches, and writes from time to time what came of them; of each perturbation the last one stays."""
    settings = run.config.trainer
    title = f"limits of {run.identity.title}" if settings.progress else None
    size, every_s = run.config.evaluation.batch_size, settings.checkpoint_every_s
    for measured in measure_limits(model, run.splits.test, missing, batch_size=size, every_s=every_s, title=title):
        known = if_sound(lambda: read_limits(run.files))
        found = measured if known is None else pd.concat([known, measured], ignore_index=True)
        run.files.write_extras({LIMITS: found.drop_duplicates("test_perturbation", keep="last", ignore_index=True)})
