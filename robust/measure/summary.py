"""What the rows of a run come to."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from robust.measure.calibration import CALIBRATION
from robust.measure.conditions import NATURAL
from robust.measure.evaluate import TEST_KEY
from robust.measure.exposure import knows_exposure
from robust.measure.intervals import student_half, wilson
from robust.measure.suites import suite_scores
from robust.measure.until import as_whole, ended_early, images_of


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each run and condition: trials, n, mean, std (over the trials), low, high and worst accuracy; and
    the means of what CALIBRATION names; and `exposure`, where rows say it. In means what ended early stands for all its
    trials; `trials` are those that were begun.

    `low` and `high` bound the 95 % interval of the accuracy over images like these: Wilson's, for n images. Trials
    perturb the same images again, so they narrow it by less than they are many; here by nothing, which is on the safe
    side. Of a condition that ended early (see `measure_until`) the interval holds what was known then, too,
    and `until` says why it did.
    """
    by = ["run", "test_perturbation", "test_level"]
    made = rows.assign(images=images_of(rows))
    begun = made.assign(trials=np.ceil(made["n"] / made["images"]).astype(int)).groupby(by, sort=False, dropna=False)
    whole = as_whole(made)
    of_trials = whole["accuracy"].mask(ended_early(whole))  # what they varied by is not known of those
    grouped = whole.assign(of_trials=of_trials).groupby(by, sort=False, dropna=False)
    said: Any = {"exposure": ("exposure", "first")} if knows_exposure(rows) else {}
    summary = grouped.agg(
        n=("images", "max"),
        mean=("accuracy", "mean"),
        std=("of_trials", "std"),
        worst=("accuracy", "min"),
        **{name: (name, "mean") for name in CALIBRATION},
        **said,
    )
    summary.insert(0, "trials", begun["trials"].sum())
    summary = summary.fillna({"std": 0.0}).reset_index()
    bounds = [wilson(mean, n) for mean, n in zip(summary["mean"], summary["n"], strict=True)]
    summary["low"], summary["high"] = zip(*bounds, strict=True) if bounds else ((), ())
    return _with_known(summary, rows[ended_early(rows)], by)


def _with_known(summary: pd.DataFrame, ended: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The summary, its intervals no narrower than those of the conditions that `ended` early."""
    if ended.empty:
        return summary
    each = ended.groupby([*by], dropna=False)
    known = each.agg(until=("until", "first"), until_low=("until_low", "min"), until_high=("until_high", "max"))
    known = summary[[*by]].merge(known.reset_index(), how="left")
    return summary.assign(
        until=known["until"].fillna(""),
        low=np.fmin(summary["low"].to_numpy(), known["until_low"].to_numpy()),
        high=np.fmax(summary["high"].to_numpy(), known["until_high"].to_numpy()),
    )


def scores(rows: pd.DataFrame, summary: pd.DataFrame) -> dict[str, Any]:
    """One run's figures to sort by: natural; worst, of all its conditions, with which that is; and by suite (see
    `suite_scores`) mean, worst with its condition and trials, of the suites that it was tested under whole. `summary`
    is that of its rows."""
    natural = summary.loc[summary["test_perturbation"] == NATURAL, "mean"]
    worst = summary.loc[summary["mean"].idxmin()] if len(summary) else None
    suites = suite_scores(rows)
    figures = ["mean", "worst", "worst_condition", "trials"]
    return {
        "natural": float(natural.iloc[0]) if len(natural) else None,
        "worst": float(worst["mean"]) if worst is not None else None,
        "worst_condition": [worst["test_perturbation"], float(worst["test_level"])] if worst is not None else None,
        "suites": suites[suites["mean"].notna()].set_index("suite")[figures].to_dict("index"),
    }


def perturbed_accuracy(rows: pd.DataFrame) -> pd.Series:
    """The accuracy of each run in the perturbed tests that all runs of its data went through, the same conditions in
    the same trials: a mean over conditions, each a mean over its trials; none for a run without any."""
    tests = as_whole(rows[rows["test_perturbation"] != NATURAL])
    runs = tests["data"].map(rows.groupby("data")["run"].nunique())
    key = ["data", *(name for name in TEST_KEY if name in rows)]
    shared = tests[tests.groupby(key)["run"].transform("nunique") == runs]
    return shared.groupby(["run", "data", "test_perturbation", "test_level"])["accuracy"].mean().groupby("run").mean()


def seeds_line(runs: pd.DataFrame, names: Iterable[str]) -> dict[str, float]:
    """What runs, a line for each seed, come to: of each named column its mean, and its 95 % interval, `_low` and
    `_high`, Student's over the seeds, NaN for one seed. Columns are fractions, or differences of such where their names
    end in "won"; their intervals end where these do."""
    only = seeds_lines(runs[[*names]], [pd.Series(0, runs.index)])
    return only.iloc[0].to_dict()


def seeds_lines(runs: pd.DataFrame, by: Sequence[pd.Series]) -> pd.DataFrame:
    """The same of every column, a line for each kind of runs, which `by` tells apart."""
    kinds = runs.astype(float).groupby([*by], sort=False, dropna=False)
    whole = kinds.count().eq(kinds.size(), axis=0)  # no mean where a seed has none
    middle = kinds.mean().where(whole)
    half = student_half(kinds.std().where(whole), kinds.count())
    most = pd.Series({name: np.inf if name in CALIBRATION else 1.0 for name in middle})
    least = pd.Series({name: -1.0 if name.endswith("won") else 0.0 for name in middle})
    ends = (
        (middle - half).clip(least, axis=1).add_suffix("_low"),
        (middle + half).clip(upper=most, axis=1).add_suffix("_high"),
    )
    columns = [f"{name}{end}" for name in middle for end in ("", "_low", "_high")]
    return pd.concat([middle, *ends], axis=1)[columns]
