"""Attacks on the models of finished runs."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf, open_dict

from robust.errors import FailedError
from robust.experiment.build import build_assaults
from robust.experiment.compose import compose, recorded
from robust.experiment.execute import execute
from robust.experiment.experiment import Run, prepare
from robust.files import write_whole
from robust.runs import STATUS, State, find_runs

_UNKNOWN = object()


def attack_runs(runs: Sequence[str], settings: Sequence[str]) -> list[Path]:
    """Attacks these runs, or those in these folders, by `settings` (as on the command line); returns their folders.

    Nothing is trained or tested again, and no attack is made twice. Raises ValueError where they cannot be attacked so,
    before any is; FailedError, after the others, for those whose attack failed: they stay as they were.
    """
    folders = find_runs(runs)
    prepared = [_prepare(folder, settings) for folder in folders]
    failed = []
    for run in prepared:
        before = (run.folder / STATUS).read_bytes()
        status = execute(run)
        if status.state is not State.DONE:
            write_whole(run.folder / STATUS, before)  # it is as well trained and tested as it was
            failed.append(f"{run.folder} could not be attacked: {status.reason}")
    if failed:
        raise FailedError(*failed)
    return folders


def _is_of_attack(setting: str) -> bool:
    """Whether it sets the attack, or a part of it (perturb@attack.perturbation)."""
    key = setting.lstrip("+~").partition("=")[0]
    return key.startswith("attack") or "@attack." in key


def _prepare(folder: Path, settings: Sequence[str]) -> Run:
    config = recorded(folder)
    chosen = compose(["evaluation=none", *(one for one in settings if _is_of_attack(one))])
    with open_dict(config):
        config.runs_dir = str(folder.parent)
        config.attack, config.evaluation = chosen.attack, chosen.evaluation  # what was tested stays as it is
    if not build_assaults(config.attack):
        raise ValueError("`attack` must name an attack; got none. Name one: attack=pgd.")
    for key, _, value in (one.partition("=") for one in settings if not _is_of_attack(one)):
        if OmegaConf.select(config, key, default=_UNKNOWN) is _UNKNOWN:
            raise ValueError(f"`{key}` must be a setting that the run has; got {key}={value}.")
        OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value)
    run = prepare(config)
    if run.folder != folder:
        raise ValueError(
            f"{folder} must be a run of these settings under the name that it was given; they make it "
            f"{run.identity.folder}. Leave out what changes the run, and rename no folder."
        )
    return run
