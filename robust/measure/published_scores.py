"""What runs come to on published test sets."""

from typing import Any

import numpy as np
import pandas as pd

from robust.measure.calibration import CALIBRATION
from robust.measure.exposure import in_words, knows_exposure
from robust.measure.intervals import normal, wilson
from robust.measure.suites import SUITES

#: what no mean is over: what published work tunes on, and images as they are
UNSCORED = (*dict.fromkeys(name for name, _ in SUITES["corruptions_extra"]), "identity")
#: what a row of a test has for each of its images
ARRAYS = ["label", "predicted"]


def published_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each run and set of these rows of tests: what the run is, `tests` in words, n, accuracy, the mean over
    the tests, its 95 % interval over images, `low` to `high` (Wilson), and what CALIBRATION names; `seen`, how many of
    the tests the training contained, in words, where rows say it; `against`, how far it lies above the natural run that
    it is compared with, image by image in the same tests, `against_low` and `against_high`: NaN where there is none, or
    images are not the data's own. Fractions."""
    groups = [(key, _scored(group)) for key, group in rows.groupby(["run", "set"], sort=False)]
    right = {key: one for key, group in groups if (one := _right(group)) is not None}
    lines = pd.DataFrame([_line(group) for _, group in groups])
    against = [_against(line, right) for line in lines.to_dict("records")]
    return lines.join(pd.DataFrame(against, lines.index, ["against", "against_low", "against_high"]))


def _scored(group: pd.DataFrame) -> pd.DataFrame:
    """The tests of a set that its mean is over: those of all corruptions, where it has no others."""
    scored = group[~group["corruption"].isin(UNSCORED)]
    return scored if len(scored) else group


def _line(tests: pd.DataFrame) -> dict[str, Any]:
    """What a run comes to in a set's tests."""
    accuracy, n = tests["accuracy"].mean(), int(tests["n"].min())
    low, high = wilson(accuracy, n)
    means = {name: tests[name].mean() for name in CALIBRATION}
    own: dict[str, Any] = {"tests": _tests(tests), "n": n, "accuracy": accuracy, "low": low, "high": high, **means}
    if knows_exposure(tests):
        own["seen"] = in_words(tests["exposure"])
    return {**tests.iloc[0].drop(ARRAYS).to_dict(), **own}


def _tests(tests: pd.DataFrame) -> str:
    """Over which tests a mean is: `15 corruptions, severities 1 to 5`."""
    corruptions, severities = tests["corruption"].nunique(), sorted(set(tests["severity"]))
    if (tests["corruption"] == "").all():
        return ""
    named = f"{corruptions} corruptions" if corruptions > 1 else str(tests["corruption"].iloc[0])
    if severities == [0]:
        return named
    whole = severities == [*range(severities[0], severities[-1] + 1)]
    ends = f"{severities[0]} to {severities[-1]}" if whole else ", ".join(map(str, severities))
    several = f"severities {ends}" if len(severities) > 1 else f"severity {severities[0]}"
    part = "" if len(tests) == corruptions * len(severities) else f", {len(tests)} tests"
    return f"{named}, {several}{part}"


def _right(tests: pd.DataFrame) -> tuple[frozenset[str], np.ndarray] | None:
    """In which share of a set's tests each image was recognised, and the digests of their images; None where they are
    not the data's own."""
    if tests[ARRAYS].isna().any(axis=None):
        return None
    each = [label == predicted for label, predicted in tests[ARRAYS].itertuples(index=False, name=None)]
    return frozenset(tests["images"]), np.mean(each, axis=0)


def _against(line: dict[str, Any], right: dict[Any, tuple[frozenset[str], np.ndarray]]) -> tuple[float, float, float]:
    """How far a run lies above the natural one that it is compared with, in the same tests."""
    mine, other = right.get((line["run"], line["set"])), right.get((line["reference"], line["set"]))
    if mine is None or other is None or mine[0] != other[0] or line["run"] == line["reference"]:
        return np.nan, np.nan, np.nan
    differences = mine[1] - other[1]
    return float(differences.mean()), *normal(differences.mean(), differences.var() / len(differences))
