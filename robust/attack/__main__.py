"""`python -m robust.attack run=RUNS attack=pgd`: attacks on trained models."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robust.errors import reported

if TYPE_CHECKING:
    from robust.experiment.experiment import Run

_UNKNOWN = object()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.attack",
        description="Attacks the models of finished runs, adds what came of it to their attacks.parquet, and prints "
        "how many images withstood. What was attacked so before is not attacked again.",
    )
    parser.add_argument(
        "settings",
        nargs="+",
        metavar="KEY=VALUE",
        help="run=FOLDER,...: runs, or folders that hold some; attack=fgsm, pgd, one_pixel, gradient_sign, ...; its "
        "settings, such as attack.eps=8/255; trainer.threads, trainer.accelerator, data.dir",
    )
    arguments = parser.parse_args()
    named = [one.removeprefix("run=") for one in arguments.settings if one.startswith("run=")]
    if not named:
        parser.error("`run` must name a run's folder; got none. Name one: run=runs/digits-...")
    folders = attack_runs(",".join(named).split(","), [one for one in arguments.settings if not one.startswith("run=")])

    from robust.report import print_attacks

    print_attacks(folders)


def attack_runs(runs: Sequence[str], settings: Sequence[str]) -> list[Path]:
    """Attacks these runs, or those in these folders, as `settings`, as on the command line, say; returns their folders.
    Raises ValueError where they cannot be attacked so, before any is."""
    from robust.experiment.execute import execute
    from robust.files import atomic_write
    from robust.runs import RunFolder, State, find_runs

    folders = find_runs(runs)
    prepared = [_prepare(folder, settings) for folder in folders]
    for run in prepared:
        record = RunFolder(run.folder).status
        before = record.read_bytes()
        status = execute(run)
        if status.state is not State.DONE:
            atomic_write(record, before)  # it is as well trained and tested as it was
            raise ValueError(f"{run.folder} could not be attacked: {status.reason}")
    return folders


def _is_of_attack(setting: str) -> bool:
    """Whether it sets the attack, or a part of it (perturb@attack.perturbation)."""
    key = setting.lstrip("+~").partition("=")[0]
    return key.startswith("attack") or "@attack." in key


def _prepare(folder: Path, settings: Sequence[str]) -> "Run":
    from omegaconf import OmegaConf, open_dict

    from robust.experiment.build import build_assaults
    from robust.experiment.compose import compose, recorded
    from robust.experiment.experiment import prepare

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


if __name__ == "__main__":
    reported(main)
