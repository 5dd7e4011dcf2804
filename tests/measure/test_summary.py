import math

import pandas as pd
import pytest

from robust.measure import scores, summarize


def rows(**accuracies: list[float]) -> pd.DataFrame:
    lines = [
        ("a run", name, 0.0 if name == "natural" else 2.0, trial, 500, accuracy)
        for name, values in accuracies.items()
        for trial, accuracy in enumerate(values)
    ]
    table = pd.DataFrame(lines, columns=["run", "test_perturbation", "test_level", "trial", "n", "accuracy"])
    return table.assign(expected_calibration_error=0.1, rms_calibration_error=0.1, brier_score=0.2, nll=0.3, aurc=0.1)


def test_a_condition_is_summed_up_over_its_trials() -> None:
    line = summarize(rows(hot=[0.8, 0.9, 0.7])).iloc[0]
    assert (line["trials"], line["n"]) == (3, 500)
    assert line["mean"] == pytest.approx(0.8)
    assert line["std"] == pytest.approx(0.1)
    assert line["worst"] == 0.7


def test_the_interval_is_wilsons_over_images() -> None:
    p, n, z = 0.8, 500, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    line = summarize(rows(hot=[0.8, 0.8])).iloc[0]
    assert (line["low"], line["high"]) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_one_trial_has_no_spread() -> None:
    assert summarize(rows(natural=[0.9])).iloc[0]["std"] == 0


def test_a_condition_that_ended_early_counts_as_all_its_trials_in_means() -> None:
    again, whole = rows(hot=[0.6]), rows(hot=[0.7, 0.9, 0.8])
    ended = again.assign(n=250, evaluation_seed=1, until="narrow", until_low=0.55, until_high=0.65, until_images=500)
    both = pd.concat([ended.assign(until_trials=3), whole.assign(evaluation_seed=0)], ignore_index=True)
    line = summarize(both).iloc[0]
    assert (line["trials"], line["n"], line["worst"]) == (4, 500, 0.6)
    assert line["mean"] == pytest.approx(0.7)
    assert line["std"] == pytest.approx(0.1), "of the trials that were made"


def test_scores_are_over_all_conditions() -> None:
    made = rows(natural=[0.9], hot=[0.5, 0.7], dead=[0.9])
    found = scores(made, summarize(made))
    assert found == {
        "natural": pytest.approx(0.9),
        "worst": pytest.approx(0.6),
        "worst_condition": ["hot", 2.0],
        "suites": {},
    }
