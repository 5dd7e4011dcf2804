"""The search, image by image, for tolerated levels: how long 10,000 images take under ten perturbations."""

import tempfile
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.pairs import Result, at_most
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.limits import build_searches
from robust.experiment.prepare import prepare
from robust.measure.limits import measure_limits

_SECONDS, _ROUNDS = 120, 3
_LEFT_OUT = ("shear", "perspective")  # of the twelve usual ones


def bench_tolerating() -> Iterator[Result]:
    """Seconds for MNIST's 10,000 test images under ten perturbations at 21 levels, as a share of two minutes, and what
    is saved of showing all of them at all levels."""
    settings = ["data=mnist", "technique=natural", "evaluation=none", "trainer.max_epochs=3", "trainer.progress=false"]
    with tempfile.TemporaryDirectory() as folder:
        run = prepare([*settings, f"runs_dir={folder}"])
        execute(run)
        model, test = run.load(), run.splits.test
    left_out = [f"~evaluation.conditions.{name}" for name in _LEFT_OUT]
    searches = build_searches(compose(["evaluation=tolerance", *left_out]), test.shape)
    took, looks, every = [], 0, 0
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        found = [line for part in measure_limits(model, test, searches) for line in part.to_dict("records")]
        took.append(time.perf_counter() - begun)
        looks = sum(int(np.minimum(one["falls"] + 1, len(one["levels"]) + 1).sum()) for one in found)
        every = sum(len(test) * (len(one["levels"]) + 1) for one in found)
    yield at_most(
        f"tolerance of 10,000 MNIST images, {len(searches)} perturbations",
        "two minutes",
        np.array(took) / _SECONDS,
        1,
        note=f"{np.median(took):.0f} s; {100 * looks / every:.0f} % of all images at all levels are shown",
    )
