"""Results as tables."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from robust.measure import NATURAL, condition_title, summarize

_MOST = 40  # lines in a terminal
_RUN = ["data", "model", "technique", "train_perturbation", "train_level", "seed"]


def run_title(row: pd.Series) -> str:
    """What a run is called: its technique and what it was trained on."""
    trained = row["train_perturbation"]
    return row["technique"] if trained == "none" else f"{row['technique']} {condition_title(trained, row['train_level'])}"


def summary_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The summary of every run and condition (see `summarize`), with what the run is, its `title`, and as `reference` the mean of the natural model of the
    same data, model and seed under that condition (NaN where it was not measured)."""
    runs = rows.drop_duplicates("run")[["run", *_RUN]]
    summary = summarize(rows).merge(runs, on="run")
    summary["title"] = summary.apply(run_title, axis=1)
    same = ["data", "model", "seed", "test_perturbation", "test_level"]
    natural = summary[summary["technique"] == "natural"][[*same, "mean"]].rename(columns={"mean": "reference"})
    return summary.merge(natural.drop_duplicates(same), on=same, how="left")


def score_table(summary: pd.DataFrame) -> pd.DataFrame:
    """One line for each run: natural, mean and worst accuracy over its conditions, the natural model's there, and the difference."""
    lines = []
    for _, group in summary.groupby("run", sort=False):
        worst = group.loc[group["mean"].idxmin()]
        first = group.iloc[0]
        reference = worst["reference"]
        lines.append(
            {
                **{name: first[name] for name in ("title", "data", "model", "seed")},
                "natural": group.loc[group["test_perturbation"] == NATURAL, "mean"].max(),
                "mean": group["mean"].mean(),
                "worst": worst["mean"],
                "worst_condition": condition_title(worst["test_perturbation"], worst["test_level"]),
                "reference": reference,
                "won": worst["mean"] - reference if first["technique"] != "natural" else float("nan"),
            }
        )
    return pd.DataFrame(lines)


def percent(value: float, *, sign: bool = False) -> str:
    """A fraction as a percentage; nothing for NaN."""
    return "" if pd.isna(value) else f"{100 * value:{'+' if sign else ''}.1f}"


def print_results(rows: pd.DataFrame) -> None:
    """The score of every run, in the terminal."""
    scores = score_table(summary_table(rows))
    several = [name for name in ("data", "model", "seed") if scores[name].nunique() > 1]
    table = Table(title="test accuracy, %", title_justify="left", caption_justify="left")
    table.caption = "mean and worst: over natural images and the conditions it was tested under"
    table.add_column("trained")
    for name in several:
        table.add_column(name)
    for heading in ("natural images", "mean", "worst", "natural model there", "won back"):
        table.add_column(heading, justify="right")
    table.add_column("worst condition")
    for _, line in scores.head(_MOST).iterrows():
        figures = [percent(line[name]) for name in ("natural", "mean", "worst", "reference")]
        table.add_row(line["title"], *(str(line[name]) for name in several), *figures, percent(line["won"], sign=True), line["worst_condition"])
    console = Console()
    console.print(table)
    if len(scores) > _MOST:
        console.print(f"... and {len(scores) - _MOST} more on the page")
