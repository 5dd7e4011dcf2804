"""What a run is asked: the conditions that it is tested under, the attacks that are made on it."""

from robust.attack import AttackPlan
from robust.data import Splits
from robust.experiment.build import build_attacks
from robust.experiment.conditions import build_conditions
from robust.experiment.limits import build_searches
from robust.measure import Condition
from robust.runs.config import Config


def asked(config: Config, splits: Splits) -> tuple[list[Condition], list[AttackPlan]]:
    """What a run is tested under, and attacked with. Raises ValueError for what its images cannot be tested with."""
    conditions = build_conditions(config, splits.test.shape, own_family=config.perturb.family)
    attack_plans = build_attacks(config.attack)
    build_searches(config, splits.test.shape)
    if not config.task.tested:
        return [], []
    if config.task.get("images") is not None:
        conditions = [one for one in conditions if not one.moves]  # another answer would be right
    return conditions, attack_plans
