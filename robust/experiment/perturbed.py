"""The perturbations that a command names: perturb=noise,blur."""

from collections.abc import Sequence

from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.perturb import Perturbation
from robust.runs.config import Config


def named_perturbations(
    settings: Sequence[str], *, usual: str, shares: Sequence[float] = (1.0,)
) -> tuple[Config, list[list[Perturbation]]]:
    """The configuration that `settings`, as on the command line, make, and each perturbation that they name
    (perturb=noise,blur), or else those of `usual`, at these `shares` of its level. Raises ValueError for none."""
    named = [one.partition("=")[2] for one in settings if one.startswith("perturb=")]
    others = [one for one in settings if not one.startswith("perturb=")]
    jobs = [[*others, f"perturb={name}"] for name in (named[-1] if named else usual).split(",")]
    return compose(jobs[0]), [[_at_share(job, share) for share in shares] for job in jobs]


def _at_share(job: list[str], share: float) -> Perturbation:
    usual = compose(job).perturb
    level = usual.level * share
    if usual.family == "pixel":  # a number of pixels
        level = max(1, round(level))
    found = build_perturbation(usual if share == 1 else compose([*job, f"perturb.level={level}"]).perturb)
    if found is None:
        raise ValueError("`perturb` must name perturbations; got none. Name some: perturb=shift,zoom.")
    return found
