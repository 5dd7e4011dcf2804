"""The perturbations that a command names: perturb=noise,blur."""

from collections.abc import Sequence

from robust.errors import check
from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.experiment.conditions import available_perturbation
from robust.measure import SUITES
from robust.perturb import Perturbation
from robust.perturb.corruptions import CORRUPTIONS, SEVERITIES
from robust.runs.config import Config

_COMMON = dict.fromkeys(name for suite in ("corruptions", "corruptions_extra") for name, _ in SUITES[suite])


def named_perturbations(
    settings: Sequence[str], *, usual: str, shares: Sequence[float] = (1.0,), levels: Sequence[float] = ()
) -> tuple[Config, list[list[Perturbation]]]:
    """The configuration that `settings`, as on the command line, make, and each perturbation that they name
    (perturb=noise,blur), or else those of `usual`: at these `levels`, or without any at `shares` of its own. Raises
    ValueError for none."""
    jobs = _jobs(settings, usual)
    ways = [[_found(build_perturbation(_at_level(job, one))) for one in levels or _shares(job, shares)] for job in jobs]
    return compose(jobs[0]), ways


def named_corruptions(settings: Sequence[str]) -> tuple[Config, dict[str, list[Perturbation]]]:
    """The configuration that `settings` make, and each common corruption that they name (default: all nineteen, with
    drawn frost where there are no photographs) at severities 1 to 5. Raises ValueError for another perturbation."""
    jobs = _jobs(settings, ",".join(_COMMON))
    for job in jobs:
        name = job[-1].partition("=")[2]
        check("perturb", name, f"common corruptions: {', '.join(CORRUPTIONS)}", name in CORRUPTIONS)
    severities = range(1, SEVERITIES + 1)
    levels = [[_found(available_perturbation(_at_level(job, one))) for one in severities] for job in jobs]
    return compose(jobs[0]), {one[0].name: one for one in levels}


def _jobs(settings: Sequence[str], usual: str) -> list[list[str]]:
    """The settings with each perturbation that they name, last; or else with each of the `usual` ones."""
    named = [one.partition("=")[2] for one in settings if one.startswith("perturb=")]
    others = [one for one in settings if not one.startswith("perturb=")]
    return [[*others, f"perturb={name}"] for name in (named[-1] if named else usual).split(",")]


def _shares(job: list[str], shares: Sequence[float]) -> list[float]:
    """Levels of these shares of the usual one."""
    usual = compose(job).perturb
    levels = [usual.level * share for share in shares]
    return [max(1, round(level)) for level in levels] if usual.family == "pixel" else levels  # a number of pixels


def _at_level(job: list[str], level: float) -> Config:
    usual = compose(job).perturb
    return usual if level == usual.level else compose([*job, f"perturb.level={level}"]).perturb


def _found(perturbation: Perturbation | None) -> Perturbation:
    if perturbation is None:
        raise ValueError("`perturb` must name perturbations; got none. Name some: perturb=shift,zoom.")
    check("perturb", perturbation.name, "one whose images lie in [0, 1]", perturbation.bounded)
    return perturbation
