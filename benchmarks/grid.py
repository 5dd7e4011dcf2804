"""The grid of a sweep: its runs, and what they take by what was measured."""

from collections.abc import Sequence

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from benchmarks.gpu_page import Line
from robust.data import Splits
from robust.experiment.build import build_splits
from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions
from robust.experiment.search_path import SWEEPS
from robust.measure import planned_tests
from robust.sweep import list_jobs

#: techniques with the recipes of the grid: of models from the start, and of transferred ones
RECIPES = {"": "natural", ", transferred": "retrain"}


def grid(lines: Sequence[Line], *, sweep: str, only: Sequence[str] = ()) -> list[Line]:
    """What the models of a sweep, `only` those of these settings, take with their tests, by what was measured: a line
    for each data set, and one for all."""
    jobs = [compose(job) for job in jobs_of(sweep, only)]
    found = []
    for data in dict.fromkeys(line.data for line in lines if line.section == "step"):
        best = {recipe: best_line(lines, "pack", data, recipe=recipe) for recipe in RECIPES}
        tested = np.min([line.figure for line in lines if (line.section, line.data) == ("test", data)])
        seconds = tests = 0.0
        splits, mine = splits_of(data), [config for config in jobs if config.data.name == data]
        for config in mine:
            steps = config.trainer.max_epochs * (len(splits.train) // config.data.batch_size)
            seconds += steps / best[", transferred" if config.task.stage == "retrain" else ""].figure
            conditions = build_conditions(config, splits.test.shape, own_family=config.perturb.family)
            tests += len(planned_tests(conditions, trials=config.evaluation.trials, seed=0)) * len(splits.test)
        note = (
            f"extrapolated: {len(mine)} models trained in {seconds / 60:,.1f} minutes, {tests:,.0f} images tested in "
            f"{tests / tested / 60:,.1f}, one after the other; without starts and files"
        )
        minutes = (seconds + tests / tested) / 60
        found.append(Line("grid", data, best[""].how, best[""].at_a_time, minutes, "minutes", note))
    total = sum(line.figure for line in found)
    return [*found, Line("grid", "all", "", 1, total, "minutes", f"{len(jobs)} models in the sweep")]


def jobs_of(sweep: str, settings: Sequence[str] = ()) -> list[list[str]]:
    """The overrides of every run of a sweep, with these settings, which may select some."""
    products = OmegaConf.to_container(OmegaConf.load(SWEEPS / f"{sweep}.yaml").sweep.products)
    assert isinstance(products, list)
    jobs = list_jobs(products, settings, OverridesParser.create().parse_overrides)
    return [[f"sweep={sweep}", *job] for job in jobs]


def best_line(lines: Sequence[Line], section: str, data: str, how: str = "", *, recipe: str | None = None) -> Line:
    """The line of a section with the greatest figure, or any where nothing could be measured; of those whose `how`
    begins so, or that are of a recipe."""
    mine = [line for line in lines if (line.section, line.data) == (section, data) and line.how.startswith(how)]
    if recipe is not None:
        mine = [line for line in mine if line.how.partition(", ")[2] == recipe.removeprefix(", ")]
    return max(mine, key=lambda line: np.nan_to_num(line.figure))


def splits_of(data: str) -> Splits:
    """The images of a data set."""
    return build_splits(compose([f"data={data}"]).data)
