"""Attacks on the models of finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robust.errors import FailedError, check
from robust.experiment.build import build_attacks
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.overrides import parse
from robust.experiment.prepare import reopen
from robust.runs import RunFolder, State, find_runs
from robust.runs.config import Config
from robust.runs.identity import counts


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
    opened = [reopen(folder, {"attack": attack, **_changes(folder, others)}) for folder in folders]
    for run in opened:
        for attack_plan in run.attack_plans:
            attack_plan.check(run.load(), run.splits.test)
    failed = []
    for run in opened:
        before = run.files.read_record() or {}
        status = execute(run)
        if status.state is not State.DONE:
            run.files.write_record(before)  # it is as well trained and tested as it was
            failed.append(f"{run.folder} could not be attacked: {status.reason}")
    if failed:
        raise FailedError(*failed)
    return folders


def _is_of_attack(setting: str) -> bool:
    """Whether it sets the attack, or a part of it (perturb@attack.perturbation)."""
    key = setting.lstrip("+~").partition("=")[0]
    return key.startswith("attack") or "@attack." in key


def _changes(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Other values for a run's settings, where they do not make it another run."""
    config, changes = RunFolder(folder).read_config(), {}
    for key, value in settings.items():
        known = config.select(key, _UNKNOWN)
        rule = "a setting that the run has, and that does not make it another, such as trainer.threads"
        check(key, value, rule, known is not _UNKNOWN and not isinstance(known, Config) and not counts(key, config))
        changes[key] = value
        within = key.replace("data.", "data.source.", 1)  # a data set's folder stands in both
        if key.startswith("data.") and config.select(within) is not None:
            changes[within] = value
    return changes


_UNKNOWN = object()
