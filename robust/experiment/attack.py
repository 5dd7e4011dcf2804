"""Attacks on the models of finished runs."""

from collections.abc import Sequence
from pathlib import Path

from robust.experiment.build import build_attacks
from robust.experiment.compose import compose
from robust.experiment.overrides import parse
from robust.experiment.prepare import reopen
from robust.experiment.reopened import measure_again, other_settings
from robust.runs import find_runs


def attack_runs(runs: Sequence[str], settings: Sequence[str]) -> list[Path]:
    """Attacks these runs, or those in these folders, by `settings` (as on the command line); returns their folders.

    Nothing is trained or tested again, and no attack is made twice. Raises ValueError where they cannot be attacked so,
    before any is; FailedError, after the others, for those whose attack failed: they stay as they were.
    """
    folders = find_runs(runs)
    attack = compose(["evaluation=none", *(one for one in settings if _is_of_attack(one))]).attack
    if not build_attacks(attack):
        raise ValueError("`attack` must name an attack; got none. Name one: attack=pgd.")
    others = {parse(one).key_or_group: parse(one).value() for one in settings if not _is_of_attack(one)}
    opened = [reopen(folder, {"attack": attack, **other_settings(folder, others)}) for folder in folders]
    for run in opened:
        for attack_plan in run.attack_plans:
            attack_plan.check(run.load(), run.splits.test)
    measure_again(opened, "attacked")
    return folders


def _is_of_attack(setting: str) -> bool:
    """Whether it sets the attack, or a part of it (perturb@attack.perturbation)."""
    key = setting.lstrip("+~").partition("=")[0]
    return key.startswith("attack") or "@attack." in key
