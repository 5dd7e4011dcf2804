"""Results as tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from robust.measure import CALIBRATION, NATURAL, as_whole, summarize
from robust.measure.intervals import student_half
from robust.runs.titles import kind_folders, run_titles

_TEST = ["test_perturbation", "test_level"]
_RUN = ["data", "model", "technique", "train_perturbation", "train_level", "seed", "kind", "reference"]
_KEPT = {"exposure": "first", "distance": "mean"}  # what else lines say, where it is known
_SAME = 1e-9  # an interval as narrow as that is none: all seeds gave the same


def summary_table(rows: pd.DataFrame, folders: Iterable[Path] = ()) -> pd.DataFrame:
    """The summary of every run and condition (see `summarize`), with what the run is, its `title`, and `before`.

    `before` is the mean of the natural run that it is held against, under the same condition in the same trials; NaN
    where there is none. Titles name the settings in which runs differ from the configurations in their `folders`.
    """
    runs = rows.drop_duplicates("run")[["run", *_RUN]]
    runs = runs.sort_values("technique", key=lambda names: names != NATURAL, kind="stable")
    runs["title"] = run_titles(runs, kind_folders(folders, runs))
    whole = as_whole(rows)
    trials = pd.util.hash_pandas_object(whole.reindex(columns=["trial", "evaluation_seed"]), index=False)
    same = trials.groupby([whole["run"], *(whole[name] for name in _TEST)]).sum().rename("trials")  # of a set
    summary = runs.merge(summarize(rows), on="run").merge(same, on=["run", *_TEST], suffixes=("", "_made"))
    natural = summary[["run", *_TEST, "mean", "trials_made"]].rename(columns={"run": "reference", "mean": "before"})
    return summary.merge(natural, on=["reference", *_TEST, "trials_made"], how="left").drop(columns="trials_made")


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """One line for each kind of run (`title`) and condition: `seeds`, `mean`, its 95 % interval, `low` to `high`, and
    what CALIBRATION names.

    Over several seeds the interval is Student's, over the seeds; for one it is that run's own, over images.
    """
    kind = ["title", "kind", "data", "technique", "test_perturbation", "test_level"]
    grouped = summary.groupby(kind, sort=False)
    lines = grouped.agg(
        seeds=("mean", "size"),
        mean=("mean", "mean"),
        std=("mean", "std"),
        low=("low", "min"),
        high=("high", "max"),
        **{name: (name, "mean") for name in CALIBRATION},
        **{name: (name, how) for name, how in _KEPT.items() if name in summary},
    ).reset_index()
    several = lines["seeds"] > 1
    half = student_half(lines["std"], lines["seeds"])
    lines.loc[several, "low"] = (lines["mean"] - half).clip(0)[several]
    lines.loc[several, "high"] = (lines["mean"] + half).clip(None, 1)[several]
    return lines.drop(columns="std")


def ended_note(summary: pd.DataFrame) -> str:
    """How many tests under a condition ended early, and what that means; "" for none."""
    if "until" not in summary or not (count := int((summary["until"].fillna("") != "").sum())):
        return ""
    return (
        f"{count} of {len(summary)} tests under a condition ended when their answer was known (evaluation.until): the "
        "accuracy is that of the images looked at, and they are not compared image by image. The interval of one seed "
        "holds what was known then of all; one over seeds does not: all seeds see the same images first, and may be "
        "off by the same, up to what evaluation.until says."
    )


def varying(scores: pd.DataFrame) -> list[str]:
    """Which of data and model differ between runs, so that a table must name them."""
    return [name for name in ("data", "model") if scores[name].nunique() > 1]


def percent(value: float, *, sign: bool = False) -> str:
    """A fraction as a percentage; nothing for NaN."""
    return "" if pd.isna(value) else f"{100 * value:{'+' if sign else ''}.1f}"


def amount(value: float) -> str:
    """Seconds, joules or bytes, to about three digits; nothing for NaN."""
    return "" if pd.isna(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percentages(table: pd.DataFrame) -> pd.DataFrame:
    """Fractions as percentages, everything else as it is."""
    return table.assign(**{name: table[name].map(percent) for name in table.select_dtypes(float)})


def with_interval(line: Mapping[str, Any], name: str, *, sign: bool = False) -> str:
    """What a table shows of a figure of `seeds_line`: a percentage, and its interval where there is one."""
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    interval = f" [{percent(low, sign=sign)}, {percent(high, sign=sign)}]" if high - low > _SAME else ""
    return percent(line[name], sign=sign) + interval


def with_half(line: Mapping[str, Any], name: str) -> str:
    """The same, with half the interval's width: `98.1 ±0.2`."""
    half = max(line[f"{name}_high"] - line[name], line[name] - line[f"{name}_low"])  # one end may be cut off
    return percent(line[name]) + (f" ±{percent(half)}" if half > _SAME else "")


def interval_column(table: pd.DataFrame) -> dict[str, list[str]]:
    """What a table shows of `low` and `high`; nothing where all seeds gave the same, which tells nothing of others."""
    ends = table[["low", "high"]].values
    return {"95 % interval": [f"{percent(low)} to {percent(high)}" if high - low > _SAME else "" for low, high in ends]}


def intervals_note(seeds: pd.Series) -> str:
    """What to say of the intervals of lines over so many `seeds`; nothing where each is of one."""
    if not (seeds > 1).any():
        return ""
    few = " From 2 seeds they are rough: a third helps most." if (seeds == 2).any() else ""
    return f"± or [low, high]: 95 % intervals over seeds (Student); none where all seeds gave the same.{few}"


def calibration_columns(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What a table shows of how well confidence fits accuracy: ECE, RMS calibration error, Brier score, NLL, AURC."""
    titles = ("ECE, %", "RMS calibration error, %", "Brier score", "NLL", "AURC, %")
    return {
        title: table[name].map(percent if title.endswith("%") else lambda one: "" if pd.isna(one) else f"{one:.3f}")
        for name, title in zip(CALIBRATION, titles, strict=True)
        if name in table and table[name].notna().any()
    }
