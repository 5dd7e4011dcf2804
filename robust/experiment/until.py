"""Which tests of a run are missing, and how they are made: all of their images, or until the answer is known."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from robust.data import ImageSet
from robust.experiment.recovered import hang_together
from robust.measure import (
    Measurement,
    Test,
    ended_early,
    in_looking_order,
    measure_in_parts,
    measure_until,
    planned_tests,
)
from robust.runs.contents import if_sound
from robust.runs.glance import has_whole_tests
from robust.runs.tables import whole_tests

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment

_log = logging.getLogger(__name__)
_Condition = tuple[str, float, int]


def tests_missing(run: "Experiment", stale: Collection[str]) -> list[Test]:
    """Those that this evaluation asks for and that were not made yet, or under what is `stale`. With `evaluation.until`
    none of a condition that ended early and is known as well as is asked now."""
    planned = _planned(run)
    if not stale and has_whole_tests(run.files, {test for _, test in planned}):
        return []
    rows = run.files.known_rows()
    if rows is None:
        return planned
    missing = _not_made(run, rows, planned, stale)
    trials = {test[2] for _, test in missing}
    return [one for one in planned if one[1][2] in trials] if hang_together(run.config) else missing


def _not_made(run: "Experiment", rows: pd.DataFrame, planned: Sequence[Test], stale: Collection[str]) -> list[Test]:
    whole, ended = whole_tests(rows), _known_well(run, rows, planned)
    return [test for test in planned if test[1][0] in stale or (test[1] not in whole and _condition(test) not in ended)]


def measure_tests(
    run: "Experiment", model: nn.Module, images: ImageSet, missing: Sequence[Test]
) -> Iterator[Measurement]:
    """Makes these tests. With `evaluation.until` each condition ends when its answer is known; one of which there are
    whole tests already is completed."""
    evaluation, settings = run.config.evaluation, run.config.trainer
    title = f"testing {run.identity.title}" if settings.progress else None
    planned, asked = Counter(map(_condition, _planned(run))), Counter(map(_condition, missing))
    until = evaluation.get("until")
    ending = [test for test in missing if until and asked[_condition(test)] == planned[_condition(test)]]
    others = [test for test in missing if test not in ending]
    how: dict[str, Any] = {"batch_size": evaluation.batch_size, "every_s": settings.checkpoint_every_s, "title": title}
    if others:
        yield from measure_in_parts(model, images, others, **how)
    if ending:
        looked, early = 0, 0
        natural = _natural(run, images) if evaluation.get("decide") else {}
        for measured in measure_until(model, images, ending, width=until, natural=natural, **how):
            looked += int(measured.rows["n"].sum())
            early += len(measured.rows[ended_early(measured.rows)].drop_duplicates(["test_perturbation", "test_level"]))
            yield measured
        of = len(ending) * len(images)
        _log.info(
            "evaluation.until=%g: %d of %d conditions ended early; %s of %s images looked at, %.1f %% saved",
            *(until, early, len({*map(_condition, ending)}), f"{looked:,}", f"{of:,}", 100 * (1 - looked / of)),
        )


def waits_for_natural(run: "Experiment") -> bool:
    """Whether tests are missing that end when it is known how the run stands beside its natural one."""
    evaluation = run.config.evaluation
    return bool(evaluation.get("until") and evaluation.get("decide") and run.reference and run.missing_tests())


def _natural(run: "Experiment", images: ImageSet) -> dict[tuple[str, float, int, int], np.ndarray]:
    """What the natural run recognised of these images."""
    known = if_sound(run.reference.files.read_predictions) if run.reference else None
    return {} if known is None else in_looking_order(known, images.places)


def _planned(run: "Experiment") -> list[Test]:
    settings = run.config.evaluation
    return planned_tests(run.conditions, trials=settings.trials, seed=settings.seed)


def _condition(test: Test) -> _Condition:
    name, level, _, seed = test[1]
    return name, level, seed


def _known_well(run: "Experiment", rows: pd.DataFrame, planned: Sequence[Test]) -> set[_Condition]:
    """The conditions that ended early, of as many trials as are planned, and are known as well as is asked."""
    evaluation, trials = run.config.evaluation, Counter(map(_condition, planned))
    if not evaluation.get("until"):
        return set()
    return {
        condition
        for one in rows[ended_early(rows)].itertuples()
        if trials[condition := (one.test_perturbation, one.test_level, one.evaluation_seed)] == one.until_trials
        and (one.until_high - one.until_low <= 2 * evaluation.until or (evaluation.decide and one.until != "narrow"))
    }
