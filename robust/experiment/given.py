"""Measuring anybody's model under the conditions of this project."""

from collections.abc import Sequence

import pandas as pd
from torch import nn

from robust.data import ImageSet
from robust.experiment.build import build_conditions, build_splits
from robust.experiment.compose import compose, require_complete
from robust.experiment.validate import check_values
from robust.measure import Condition, measure
from robust.runs import Identity
from robust.runs.tables import complete_rows


def evaluate(
    model: nn.Module,
    *,
    data: str | ImageSet,
    evaluation: str | Sequence[Condition] = "grid",
    name: str | None = None,
    overrides: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of `model`, any module from images in [0, 1] to logits, under an evaluation, on the device it is on.

    `data` is a choice of `conf/data` (its test images are used) or images of your own, `evaluation` a choice of
    `conf/evaluation` or conditions of your own, and `overrides` are further settings as on the command line, such as
    "evaluation.trials=5" or "data.dir=/images". `name` is what the rows call the model (default: its class). Columns as
    in `rows.csv`; accuracy is a fraction. Raises ValueError or FileNotFoundError for what cannot be tested.
    """
    choices = {"data": data, "evaluation": evaluation}
    config = compose(
        [*(f"{group}={choice}" for group, choice in choices.items() if isinstance(choice, str)), *overrides]
    )
    if isinstance(data, str):
        require_complete(config)
    check_values(config)
    if config.evaluation.natural_adversarial is not None:
        raise ValueError(
            "`evaluation.natural_adversarial` must be left out here; give it to train.py, which tests runs on it, or "
            "call robust.measure.measure_natural_adversarial."
        )
    images = build_splits(config.data).test if isinstance(data, str) else data
    if isinstance(evaluation, str):
        conditions = build_conditions(config.evaluation, images.shape)
    else:
        conditions = list(evaluation)
        for condition in conditions:
            condition.check(images.shape)
    settings = config.evaluation
    name = name or type(model).__name__
    measured = measure(
        model,
        images,
        conditions,
        trials=settings.trials,
        seed=settings.seed,
        batch_size=settings.batch_size,
        title=f"testing {name}",
    )
    source = data if isinstance(data, str) else "given"
    identity = Identity(source, name, "given", perturbation="none", level=0, seed=0, digest="", kind="")
    return complete_rows(measured.rows, identity, reference="").assign(run=name)
