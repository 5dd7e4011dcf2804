"""Tolerated levels of finished runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robust.errors import check
from robust.experiment.compose import compose, perturbation_choices
from robust.experiment.conditions import build_conditions, check_used
from robust.experiment.experiment import Experiment
from robust.experiment.limits import build_searches
from robust.experiment.overrides import parse
from robust.experiment.prepare import reopen
from robust.experiment.reopened import measure_again, other_settings
from robust.experiment.validate import check_values
from robust.perturb.corruptions import CORRUPTIONS
from robust.runs import find_runs
from robust.runs.config import Config

#: how `evaluation` is set for them
USUAL = "tolerance"


def measure_tolerance(runs: Sequence[str], settings: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Tests these runs, or those in these folders, as evaluation=tolerance does, under the perturbations that
    perturb=NAME,... names among the `settings`, or its usual ones; `settings` as on the command line, of `evaluation`,
    `camera`, or what does not make a run another. Returns the folders, and the names of what was tested.

    Nothing is trained again, and no test made twice. Raises ValueError where they cannot be tested so, before any is;
    FailedError, after the others, for those that failed: they stay as they were.
    """
    folders = find_runs(runs)
    reopened = with_levels(settings)
    opened, names = [], dict[str, None]()
    for folder in folders:
        run = reopened(folder)
        shape = run.splits.test.shape
        build_searches(run.config, shape)
        opened.append(replace(run, conditions=build_conditions(run.config, shape)))
        names |= dict.fromkeys(one.name for one in opened[-1].conditions)
    measure_again(opened, "tested")
    return folders, [*names]


def with_levels(settings: Sequence[str]) -> Callable[[Path], Experiment]:
    """What opens a finished run with such an evaluation, by its folder, none of it built yet."""
    named = [one.partition("=")[2] for one in settings if one.startswith("perturb=")]
    ours = [one for one in settings if _is_of(one, "evaluation") or _is_of(one, "camera")]
    others = {
        parse(one).key_or_group: parse(one).value()
        for one in settings
        if one not in ours and not one.startswith("perturb=")
    }
    config = compose([f"evaluation={USUAL}", *ours])
    config = under(config, named[-1].split(",")) if named else config
    check_values(config)
    check_used(ours, [config])
    asked: dict[str, Any] = {"evaluation": config.evaluation}
    if any(_is_of(one, "camera") for one in ours):
        asked["camera"] = config.camera
    return lambda folder: reopen(folder, {**asked, **other_settings(folder, others)})


def _is_of(setting: str, key: str) -> bool:
    return setting.lstrip("+~").partition("=")[0].partition(".")[0] == key


def under(config: Config, names: Sequence[str]) -> Config:
    """The configuration, to test under these perturbations alone. Raises ValueError for one whose levels are not
    known."""
    choices, levels = perturbation_choices(names), config.evaluation.conditions
    for name in names:
        advice = f"For others give levels: evaluation.conditions.{name}=[...]."
        if name in CORRUPTIONS:
            advice = "Severities of published corruptions are no quantity: they cannot be used here."
        holds = bool(levels.get(name)) and name not in CORRUPTIONS
        check("perturb", name, f"perturbations with levels: {', '.join(levels)}", holds, advice)
    families = [*dict.fromkeys(choices[name].family for name in names)]
    conditions = {name: levels[name] for name in names}
    return config.changed({"evaluation.conditions": conditions, "evaluation.families": families})
