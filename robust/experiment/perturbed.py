"""The perturbations that a command names: perturb=noise,blur."""

from collections.abc import Sequence

from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.perturb import Perturbation
from robust.runs.config import Config


def named_perturbations(
    settings: Sequence[str], *, usual: str, shares: Sequence[float] = (1.0,), levels: Sequence[float] = ()
) -> tuple[Config, list[list[Perturbation]]]:
    """The configuration that `settings`, as on the command line, make, and each perturbation that they name
    (perturb=noise,blur), or else those of `usual`: at these `levels`, or without any at `shares` of its own. Raises
    ValueError for none."""
    named = [one.partition("=")[2] for one in settings if one.startswith("perturb=")]
    others = [one for one in settings if not one.startswith("perturb=")]
    jobs = [[*others, f"perturb={name}"] for name in (named[-1] if named else usual).split(",")]
    ways = [[_at_level(job, level) for level in levels or _shares(job, shares)] for job in jobs]
    return compose(jobs[0]), ways


def _shares(job: list[str], shares: Sequence[float]) -> list[float]:
    """Levels of these shares of the usual one."""
    usual = compose(job).perturb
    levels = [usual.level * share for share in shares]
    if usual.family == "pixel":  # a number of pixels
        return [max(1, round(level)) for level in levels]
    return levels


def _at_level(job: list[str], level: float) -> Perturbation:
    usual = compose(job).perturb
    changed = usual if level == usual.level else compose([*job, f"perturb.level={level}"]).perturb
    found = build_perturbation(changed)
    if found is None:
        raise ValueError("`perturb` must name perturbations; got none. Name some: perturb=shift,zoom.")
    return found
