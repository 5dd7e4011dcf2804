"""Results as tables."""

from collections.abc import Iterable

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from robust.measure import NATURAL, SURENESS, condition_title, summarize
from robust.measure.intervals import student, student_half
from robust.report.choice import shared_changes, without

_MOST = 40  # lines in a terminal
_WIDE = 160  # characters of a line in a file
_RUN = ["data", "model", "technique", "train_perturbation", "train_level", "seed", "kind", "reference"]


def run_title(row: pd.Series) -> str:
    """What a run is called: its technique and what it was trained on."""
    trained = row["train_perturbation"]
    return (
        row["technique"] if trained == "none" else f"{row['technique']} {condition_title(trained, row['train_level'])}"
    )


def run_titles(rows: pd.DataFrame) -> pd.Series:
    """The same of every row, also of none."""
    return pd.Series([run_title(row) for _, row in rows.iterrows()], index=rows.index, dtype=object)


def told_apart(titles: pd.Series, kinds: pd.Series, *within: pd.Series) -> pd.Series:
    """Titles, with the kind of settings behind those that several kinds bear in one place (of the same data, say)."""
    several = kinds.groupby([titles, *within]).transform("nunique") > 1
    return titles.where(~several, titles + " (" + kinds + ")")


def summary_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The summary of every run and condition (see `summarize`), with what the run is, its `title`, and `before`.

    `before` is the mean of the natural run that it is held against, under the same condition; NaN where there is none.
    """
    runs = rows.drop_duplicates("run")[["run", *_RUN]]
    runs = runs.sort_values("technique", key=lambda names: names != NATURAL, kind="stable")
    runs["title"] = _titles(runs)
    summary = runs.merge(summarize(rows), on="run")
    tests = ["test_perturbation", "test_level"]
    natural = summary[["run", *tests, "mean"]].rename(columns={"run": "reference", "mean": "before"})
    return summary.merge(natural, on=["reference", *tests], how="left")


def _titles(runs: pd.DataFrame) -> pd.Series:
    """What each run is called: alike for runs that differ by their seed alone, and only for those."""
    titles = run_titles(runs)
    for name in ("data", "model"):
        ambiguous = runs["kind"].groupby(titles).transform("nunique") > 1
        differs = runs[name].groupby(titles).transform("nunique") > 1
        titles = titles.where(~(ambiguous & differs), titles + " (" + runs[name] + ")")
    return told_apart(titles, runs["kind"])


def perturbed_accuracy(rows: pd.DataFrame) -> pd.Series:
    """The accuracy of each run under the perturbed conditions that all runs of its data were tested under: a mean over
    conditions, each a mean over its trials; none for a run without any."""
    tests = rows[rows["test_perturbation"] != NATURAL]
    condition = ["data", "test_perturbation", "test_level"]
    runs = tests["data"].map(rows.groupby("data")["run"].nunique())
    shared = tests[tests.groupby(condition)["run"].transform("nunique") == runs]
    return shared.groupby(["run", *condition])["accuracy"].mean().groupby("run").mean()


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """One line for each kind of run (`title`) and condition: `seeds`, `mean`, its 95 % interval, `low` to `high`, and
    what SURENESS names.

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
        **{name: (name, "mean") for name in SURENESS},
    ).reset_index()
    several = lines["seeds"] > 1
    half = student_half(lines["std"], lines["seeds"])
    lines.loc[several, "low"] = (lines["mean"] - half).clip(0)[several]
    lines.loc[several, "high"] = (lines["mean"] + half).clip(None, 1)[several]
    return lines.drop(columns="std")


def seeds_line(runs: pd.DataFrame, names: Iterable[str]) -> dict[str, float]:
    """What runs, a line for each seed, come to: of each named column its mean, and its 95 % interval, `_low` and
    `_high`, Student's over the seeds, NaN for one seed. Columns are fractions, or differences of such where their names
    end in "won"; their intervals end where these do."""
    line: dict[str, float] = {}
    for name in names:
        middle, low, high = student(runs[name])
        least = -1 if name.endswith("won") else 0
        line |= {name: middle, f"{name}_low": max(low, least), f"{name}_high": min(high, 1)}
    return line


def score_table(summary: pd.DataFrame) -> pd.DataFrame:
    """One line for each run: its accuracy on natural images, its mean over all conditions, and how it does in the
    `hardest` one.

    Models are tested under different conditions: a trained one's mean is over those that the natural model was tested
    under too, and `mean_before` is the natural model's over the same. The hardest of a run's conditions is the one
    that the natural model (`before`) fails most under, or where that was not measured there, the one that the run
    itself fails most under; `won` is the difference.
    """
    lines = []
    for _, group in summary.groupby("run", sort=False):
        hardest = group.loc[group["before"].fillna(group["mean"]).idxmin()]
        first = group.iloc[0]
        trained = first["technique"] != NATURAL
        both = group.dropna(subset="before") if trained and group["before"].notna().any() else group
        lines.append(
            {
                **{name: first[name] for name in ("title", "data", "model", "seed")},
                "natural": group.loc[group["test_perturbation"] == NATURAL, "mean"].max(),
                "mean": both["mean"].mean(),
                "mean_before": both["before"].mean() if trained else float("nan"),
                "hardest": condition_title(hardest["test_perturbation"], hardest["test_level"]),
                "after": hardest["mean"],
                "before": hardest["before"],
                "won": hardest["mean"] - hardest["before"] if trained else float("nan"),
            }
        )
    return pd.DataFrame(lines)


def varying(scores: pd.DataFrame) -> list[str]:
    """Which of data, model and seed differ between runs, so that a table must name them."""
    return [name for name in ("data", "model", "seed") if scores[name].nunique() > 1]


def percent(value: float, *, sign: bool = False) -> str:
    """A fraction as a percentage; nothing for NaN."""
    return "" if pd.isna(value) else f"{100 * value:{'+' if sign else ''}.1f}"


def with_interval(line: pd.Series, name: str, *, sign: bool = False) -> str:
    """What a table shows of a figure of `seeds_line`: a percentage, and its interval where there is one."""
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{percent(low, sign=sign)}, {percent(high, sign=sign)}]"
    return percent(line[name], sign=sign) + interval


def interval_column(table: pd.DataFrame) -> dict[str, list[str]]:
    """What a table shows of `low` and `high`."""
    return {"95 % interval": [f"{percent(low)} to {percent(high)}" for low, high in table[["low", "high"]].values]}


def sureness_columns(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What it shows of how well models know when they are right."""
    titles = ("ECE, %", "RMS calibration error, %", "AURRA, %")
    return {
        title: table[name].map(percent)
        for name, title in zip(SURENESS, titles, strict=True)
        if name in table and table[name].notna().any()
    }


def print_results(rows: pd.DataFrame) -> None:
    """The score of every run, in the terminal."""
    scores = score_table(summary_table(rows))
    several = varying(scores)
    shared = shared_changes(rows["model"])
    short = without(shared)
    table = Table(
        title="test accuracy, %" + (f" (every network: {', '.join(shared)})" if shared else ""),
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    if scores["won"].notna().any():
        table.caption = "natural model > this one: over its tests, and in the one that the former fails most in"
    table.add_column("trained", no_wrap=True)
    for name in several:
        table.add_column(name)
    for heading in ("natural", "mean", "hardest test", "there"):
        table.add_column(heading, justify="left" if heading == "hardest test" else "right", no_wrap=True)
    for _, line in scores.head(_MOST).iterrows():
        named = [short(str(line[name])) for name in ("title", *several)]
        before = [float("nan")] * 2 if pd.isna(line["won"]) else [line["mean_before"], line["before"]]
        mean, there = map(_from_to, before, [line["mean"], line["after"]])
        table.add_row(*named, percent(line["natural"]), mean, line["hardest"], there)
    _print(table, len(scores))


def print_table(shown: pd.DataFrame, title: str) -> None:
    """A table as one reads it, in the terminal."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title_justify="left")
    for name in shown:
        table.add_column(str(name))
    for line in shown.head(_MOST).astype(str).to_numpy():
        table.add_row(*line)
    _print(table, len(shown))


def _print(table: Table, lines: int) -> None:
    """Prints what there is of so many lines."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)  # a file has no edge to cut a table at
    console.print(table, crop=False)
    if lines > _MOST:
        console.print(f"... and {lines - _MOST} more on the page")


def _from_to(before: float, after: float) -> str:
    """How accuracy rose or fell; where it is not known from where, to what."""
    return percent(after) if pd.isna(before) else f"{percent(before)} > {percent(after)}"
