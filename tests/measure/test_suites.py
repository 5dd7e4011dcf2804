"""A mean is over a named suite, measured whole, in trials that all of it shares."""

from typing import Any

import pandas as pd
import pytest

from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions
from robust.measure import SUITES, suite_scores
from robust.measure.suites import NOT_RANDOM
from robust.measure.summary import scores, summarize


def rows(tests: dict[tuple[str, float], int], *, run: str = "run", n: int = 100) -> pd.DataFrame:
    """A run's rows: so many trials of each condition, half of the images right in the first, one more in each next."""
    lines = [
        {"run": run, "test_perturbation": name, "test_level": level, "trial": trial, "evaluation_seed": 0, "n": n}
        | {
            "accuracy": 0.5 + 0.01 * trial,
            "brier_score": 0.2,
            "nll": 0.3,
            "aurc": 0.1,
            "rms_calibration_error": 0,
            "expected_calibration_error": 0,
        }
        for (name, level), trials in tests.items()
        for trial in range(trials if name not in NOT_RANDOM else 1)
    ]
    return pd.DataFrame(lines)


def every(suite: str, trials: int = 2) -> dict[tuple[str, float], int]:
    return dict.fromkeys(SUITES[suite], trials)


@pytest.mark.parametrize(
    ("evaluation", "suite"), [("camera", "camera"), ("grid", "camera"), ("environment", "environment")]
)
def test_a_suite_is_what_the_evaluation_of_its_name_tests(evaluation: str, suite: str) -> None:
    for shape in ((1, 28, 28), (3, 32, 32)):
        conditions = build_conditions(compose([f"evaluation={evaluation}"]), shape)[1:]
        assert {(one.name, one.level) for one in conditions} == set(SUITES[suite])
        assert {one.name for one in conditions if not one.random} == set(NOT_RANDOM) & {one.name for one in conditions}


def suites(table: pd.DataFrame) -> dict[str, Any]:
    return scores(table, summarize(table))["suites"]


def test_further_tests_change_no_mean() -> None:
    first = rows(every("camera") | {("natural", 0.0): 1})
    further = rows(every("environment") | {("noise", 0.3): 2} | {("noise", 0.05): 25})
    both = pd.concat([first, further]).drop_duplicates(["test_perturbation", "test_level", "trial"])
    before, after = (suites(table)["camera"] for table in (first, both))
    assert before == after
    assert before["trials"] == 2
    assert before["mean"] == pytest.approx((6 * 0.505 + 3 * 0.5) / 9)
    assert suites(both).keys() == {"camera", "pixel", "noise", "blur", "environment"}


def test_of_a_suite_that_was_not_measured_whole_there_is_no_mean() -> None:
    (line,) = suite_scores(rows({("noise", 0.05): 2, ("noise", 0.0255): 2})).query("suite == 'noise'").itertuples()
    assert pd.isna(line.mean)
    assert line.missing == "lacks noise 0.03775"
    assert suites(rows({("noise", 0.05): 2})) == {}
    assert suite_scores(rows({("noise", 0.2): 2})).empty


def test_trials_that_only_some_conditions_have_count_nowhere() -> None:
    uneven = every("noise") | {("noise", 0.05): 25}
    (line,) = suite_scores(rows(uneven)).query("suite == 'noise'").itertuples()
    assert (line.trials, line.mean) == (2, pytest.approx(0.505))


def test_tests_are_equal_where_trials_and_images_are() -> None:
    runs = [rows(every("noise", trials), run=name, n=n) for name, trials, n in (("a", 2, 9), ("b", 2, 9), ("c", 3, 9))]
    found = suite_scores(pd.concat([*runs, rows(every("noise"), run="d", n=8)])).query("suite == 'noise'")
    tests = found.set_index("run")["tests"]
    assert tests["a"] == tests["b"]
    assert tests.nunique() == 3
