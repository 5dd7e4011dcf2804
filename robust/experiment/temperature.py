"""The temperature that a run's confidence is scaled by, where that is asked for."""

from typing import TYPE_CHECKING

from torch import nn

from robust.errors import check
from robust.measure import TEST_KEY, Test, planned_tests
from robust.measure.temperature import measure_temperature
from robust.models import gives_logits
from robust.runs.config import Config
from robust.runs.contents import if_sound
from robust.runs.tables import keys_in
from robust.runs.temperature import TEMPERATURE, read_temperature

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment

_KEY = "evaluation.temperature"


def check_temperature(config: Config) -> None:
    """Raises ValueError where a temperature is asked for without images to find it on, or tests."""
    asked, evaluation = bool(config.evaluation.get("temperature")), config.evaluation
    holds = not asked or config.data.get("validation") is not None
    check(_KEY, asked, "false without validation images", holds, "Set some training images aside: data.validation=0.1.")
    check(_KEY, asked, "false with `evaluation=none`", not asked or evaluation.conditions is not None)


def temperature_missing(run: "Experiment") -> list[Test]:
    """The first trial of every condition, where confidence at the temperature is asked for and not known of each."""
    settings = run.config.evaluation
    if not settings.get("temperature") or not run.conditions:
        return []
    tests, known = (
        planned_tests(run.conditions, trials=1, seed=settings.seed),
        if_sound(lambda: read_temperature(run.files)),
    )
    made = set() if known is None else keys_in(known, TEST_KEY)
    return [] if all(test in made for _, test in tests) and not run.stale() else tests


def measure_missing_temperature(run: "Experiment", missing: list[Test], model: nn.Module) -> None:
    """Finds the temperature, makes these tests with it, and writes what came of them."""
    check(_KEY, True, "false for a network that gives no logits", gives_logits(model))
    validation = run.splits.validation
    assert validation is not None
    title = f"temperature of {run.identity.title}" if run.config.trainer.progress else None
    how = {"batch_size": run.config.evaluation.batch_size, "title": title}
    run.files.write_extras({TEMPERATURE: measure_temperature(model, validation, run.splits.test, missing, **how)})
