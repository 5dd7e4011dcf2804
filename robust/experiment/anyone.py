"""Any model, measured on any images from Python: `robust.evaluate`, `robust.tolerance`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from robust.data import ImageSet, as_image_set, to_float
from robust.errors import check, notify
from robust.experiment.build import build_splits
from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions, check_used
from robust.experiment.evaluate import find_faults
from robust.experiment.limits import check_tolerance
from robust.experiment.specs import data_overrides
from robust.experiment.tolerance import USUAL, under
from robust.experiment.validate import check_values
from robust.measure import Condition, Measurement, measure
from robust.models import OutputError, ask, device_of, evaluating
from robust.models.cpu import keep_memory
from robust.runs import Identity
from robust.runs.config import Config
from robust.runs.tables import complete_rows
from robust.tolerated.levels import check_kept, levels_of

#: what is asked of runs beside whole tests, and what measures it for others
_OF_RUNS = {
    "published": "measure_published",
    "sequences": "measure_stability",
    "distance": "distance.sample_distances",
    "until": "measure_until",
    "temperature": "temperature.measure_temperature",
}


def evaluate(
    model: nn.Module,
    *,
    data: Any,
    evaluation: str | Sequence[Condition] = "grid",
    name: str | None = None,
    overrides: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of `model`, any module from images in [0, 1], shape (batch, channels, height, width), to logits, shape
    (batch, classes), under an evaluation, on the device it is on; in eval mode for the while.

    `data` is a choice of `conf/data`, a folder of images or an .npz file (of each the test images are used), or what
    `robust.data.as_image_set` takes: a torch `Dataset`, arrays (images, labels), an `ImageSet`. `evaluation` is a
    choice of `conf/evaluation` or conditions of your own, and `overrides` are further settings as on the command line,
    such as "evaluation.trials=5", "data.dir=/images", or of a folder "data.size=224". `name` is what the rows call the
    model (default: its class). Columns as in `rows.csv`; accuracy is a fraction. A Notice says what
    `robust.measure.preflight` finds. Raises ValueError or FileNotFoundError for what cannot be tested.
    """
    _, identity, measured = _measured(model, data, evaluation, name, overrides)
    return complete_rows(measured.rows, identity, reference="").assign(run=identity.model)


def tolerance(
    model: nn.Module,
    *,
    data: Any,
    perturb: str | Sequence[str] = (),
    target: float | None = None,
    share: float | None = None,
    overrides: Sequence[str] = (),
) -> pd.DataFrame:
    """Up to which level of each perturbation `model` keeps its accuracy on `data`, both as `evaluate` takes them: the
    level at which accuracy crosses `target`, or a `share` of that on natural images (0.9), with its 95 % interval.

    `perturb` names perturbations, "noise,iso" or a list; by default those of evaluation=tolerance. `overrides` are as
    of `evaluate`, such as "evaluation.conditions.noise=[0.01,0.03,0.1,0.3]", "camera=phone".

    A line for each perturbation: perturbation; levels (how many), least and most of these; target; level, low and high
    (an end of the range of levels stands for all beyond); misfit (see `robust.measure.tolerance.Tolerated`). Raises
    ValueError for what has no tolerated level.
    """
    check_kept(target, share)
    check("share", share, "left out beside a target", target is None or share is None)
    given = {"target": target, "share": share}
    kept = [f"evaluation.tolerance.{key}={value}" for key, value in given.items() if value is not None]
    names = [*filter(None, perturb.split(","))] if isinstance(perturb, str) else [*perturb]
    config, _, measured = _measured(model, data, USUAL, None, [*kept, *overrides], names)
    asked = config.evaluation.tolerance
    return levels_of(measured.predictions, target=asked.target, share=asked.share)


def _measured(
    model: nn.Module,
    data: Any,
    evaluation: str | Sequence[Condition],
    name: str | None,
    overrides: Sequence[str],
    perturb: Sequence[str] = (),
) -> tuple[Config, Identity, Measurement]:
    """What was asked, what the model is called, and what came of its tests; with `perturb`, under these alone."""
    _check_model(model)
    named = isinstance(data, str | os.PathLike)
    chosen = data_overrides(os.fspath(data)) if named else []
    if isinstance(evaluation, str):
        chosen = [*chosen, f"evaluation={evaluation}"]
    config = compose([*chosen, *overrides])
    config = under(config, perturb) if perturb else config
    check_values(config)
    check_tolerance(config)
    for key, function in _OF_RUNS.items():
        if config.evaluation.get(key):
            raise ValueError(
                f"`evaluation.{key}` must be left out here; give it to train.py, which tests runs so too, "
                f"or call robust.measure.{function}."
            )
    check_used(overrides, [config])
    images = build_splits(config.data).test if named else _as_many_classes(model, data)
    settings = config.evaluation
    conditions = build_conditions(config, images.shape) if isinstance(evaluation, str) else list(evaluation)
    if conditions:
        for finding in find_faults(model, images, batch_size=min(settings.batch_size, 100)):
            notify(str(finding))
    name = name or type(model).__name__
    keep_memory()
    measured = measure(
        model,
        images,
        conditions,
        trials=settings.trials,
        seed=settings.seed,
        batch_size=settings.batch_size,
        title=f"testing {name}",
    )
    identity = Identity(_source(config, named), name, "given", perturbation="none", level=0, seed=0, digest="", kind="")
    return config, identity, measured


def _source(config: Config, named: bool) -> str:
    """What the rows call the data."""
    if not named:
        return "given"
    path = config.data.get("path")
    return Path(path).name if path else str(config.data.name)


def _check_model(model: object) -> None:
    """Raises ValueError for what is no network, with what to do."""
    if isinstance(model, nn.Module):
        return
    if isinstance(model, type) and issubclass(model, nn.Module):
        advice = f"Make one: {model.__name__}(...)."
    elif isinstance(model, str | os.PathLike):
        advice = "Load it: robust.load(run_folder); or on the command line: robust evaluate MODEL DATA."
    elif isinstance(model, dict):
        advice = "Make the network, and give it these weights: model.load_state_dict(...)."
    elif callable(model):
        advice = (
            "Put it into one: class Wrapped(nn.Module), whose forward(self, images) returns what the function does for "
            "images in [0, 1]."
        )
    else:
        advice = "Load the network that it is of."
    raise ValueError(
        f"`model` must be a torch.nn.Module; got {getattr(model, '__name__', type(model).__name__)}. {advice}"
    )


def _as_many_classes(model: nn.Module, data: Any) -> ImageSet:
    """Given images; where their classes have no names, as many as the model has outputs."""
    images = as_image_set(data)
    if data is images or images.classes != tuple(map(str, range(len(images.classes)))):
        return images
    try:
        with evaluating(model):
            outputs = ask(model, to_float(images.images[:2]).to(device_of(model))).shape[1]
    except OutputError:
        return images  # whatever is wrong is said when it is measured
    return replace(images, classes=tuple(map(str, range(max(outputs, len(images.classes))))))
