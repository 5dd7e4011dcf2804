"""What learning without labels is worth: how well each task was learnt, and what starts from it, against what starts
anew with the same labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from robust.report.claims import COLUMNS, FEWEST_SEEDS, Comparison, claim_line
from robust.report.pretext_figures import curves_figure, features_figure, labels_figure, tasks_figure
from robust.report.pretext_tables import (
    NETWORK,
    SCRATCH,
    PretextRun,
    downstream_lines,
    downstream_table,
    pretext_table,
)
from robust.report.section import Section, Table
from robust.report.tables import percent, with_interval
from robust.runs import Config


def self_supervised(folders: Sequence[Path], runs: Sequence[PretextRun]) -> list[Section]:
    """What there is to say of what starts without labels among these runs, for each data set and network, and of the
    `runs` that it starts from. Raises ValueError where nothing does."""
    lines = pd.DataFrame(downstream_lines(folders))
    if lines.empty or lines["anew"].all():
        raise ValueError(
            "No run among these starts from a task without labels. Make some: technique=finetune "
            "technique.start=rotation."
        )
    down = downstream_table(lines)
    places = list(
        dict.fromkeys([*((run.data, run.model) for run in runs), *lines[NETWORK].itertuples(index=False, name=None)])
    )
    found, claims = [], []
    for data, model in places:
        end, name = (f"-{data}-{model}".replace(" ", "_"), f": {data} {model}") if len(places) > 1 else ("", "")
        mine = [run for run in runs if (run.data, run.model) == (data, model)]
        each, table = (one[(one["data"] == data) & (one["model"] == model)] for one in (lines, down))
        tasks = pretext_table(mine) if mine else pd.DataFrame()
        if mine:
            first: dict[str, Config] = {}
            for run in mine:
                first.setdefault(run.title, run.config)
            shown = {f"tasks{end}": tasks_figure(first), f"curves{end}": curves_figure(mine)}
            learnt = {f"pretext{end}": Table(_shown_tasks(tasks), tasks, _TASKS_NOTE)}
            found.append(Section(f"Learning without labels{name}", _tasks_text(tasks), shown, learnt))
        if not each["anew"].all():
            drawings = {f"labels{end}": labels_figure(table), f"features{end}": features_figure(*_to_map(each))}
            started = {f"downstream{end}": Table(_shown_downstream(table), table, _DOWNSTREAM_NOTE)}
            found.append(Section(f"What starts from it{name}", _answer(table), drawings, started))
        claims.append(pretext_claims(tasks, table, data=data))
    return [*found, _claims_section(pd.concat(claims))]


_TASKS_NOTE = (
    "Accuracy: in the task itself, on test images; of SimCLR, how often a view is nearest to the other of its picture, "
    "in training. Perturbed: the mean over the perturbed conditions that move nothing. Neighbours: how many test "
    "images have the class of the training images with the nearest features (200, or of fewer than 50,000 one of each "
    "250), of the trunk before and after. Intervals: over seeds (Student)."
)
_DOWNSTREAM_NOTE = (
    "Labels: of which share of the training images the class is known. Perturbed: the mean over the perturbed "
    "conditions. Won: over a network of the same seed that starts anew with the same labels, in points. "
    "Intervals: over seeds (Student)."
)


def _to_map(lines: pd.DataFrame) -> tuple[dict[str, Path], float]:
    """A run of each way of training, and the share of labels that it had: the least of those that most ways had."""
    ways = lines.groupby("labels")["trained"].nunique()
    share = float(ways.idxmax())
    ordered = lines[lines["labels"] == share].sort_values("seed", kind="stable")
    first = ordered.drop_duplicates("trained").sort_values("trained", key=lambda one: one != SCRATCH, kind="stable")
    return dict(zip(first["trained"], first["folder"], strict=True)), share


def _shown_tasks(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": table["task"],
            "seeds": table["seeds"],
            "accuracy, %": _column(table, "accuracy"),
            "perturbed, %": np.where(table["perturbed"].isna(), "", _column(table, "perturbed")),
            "neighbours, untrained, %": _column(table, "untrained"),
            "neighbours, %": _column(table, "neighbours"),
            "won, points": _column(table, "won", sign=True),
        }
    )


def _figures(table: pd.DataFrame) -> list[str]:
    """Natural, perturbed, and the attacks."""
    names = [name.removesuffix("_won") for name in table if name.endswith("_won")]
    return [name for name in names if table[name].notna().any()]


def _shown_downstream(table: pd.DataFrame) -> pd.DataFrame:
    columns = {f"{name}, %": table[name].map(percent) for name in _figures(table)}
    won = {
        f"won on {name}, points": np.where(table["anew"], "", _column(table, f"{name}_won", sign=True))
        for name in _figures(table)
        if table[f"{name}_won"].notna().any()
    }
    several = [name for name in ("data", "model") if table[name].nunique() > 1]
    about = {
        **{name: table[name] for name in several},
        "labels, %": table["labels"].map(lambda share: f"{100 * share:g}"),
    }
    return pd.DataFrame({**about, "trained": table["trained"], "seeds": table["seeds"], **columns, **won})


def _column(table: pd.DataFrame, name: str, *, sign: bool = False) -> list[str]:
    return [with_interval(line, name, sign=sign) for _, line in table.iterrows()]


def _tasks_text(table: pd.DataFrame) -> str:
    said = [f"{line['task']}: {with_interval(line, 'won', sign=True)} points" for _, line in table.iterrows()]
    return (
        "Networks learnt from images that label themselves. How much of the classes is then in their features, though "
        f"nobody named one, by their nearest neighbours, over the same trunk untrained: {'; '.join(said)}."
    )


def _answer(table: pd.DataFrame) -> str:
    """For each share of labels what did best, and whether it resists better."""
    found = []
    for labels, group in table.groupby("labels", sort=True):
        others = group[~group["anew"]]
        if others.empty or others["natural_won"].isna().all():
            continue
        best = others.loc[others["natural_won"].idxmax()]
        said = [f"{with_interval(best, f'{name}_won', sign=True)} on {name}" for name in _figures(table)]
        found.append(
            f"With {100 * float(labels):g} % of the labels best is {best['trained']}, {percent(best['natural'])} % on "
            f"natural images; over a network that starts anew, in points: {', '.join(said)}."
        )
    return " ".join(found)


def _claims_section(table: pd.DataFrame) -> Section:
    if table.empty:
        return Section("")
    shown = table[["claim", "published", "measured", "low", "high", "met", "seeds"]]
    return Section("What it was to reach", "", {}, {"claims": Table(shown, table)})


def pretext_claims(tasks: pd.DataFrame, down: pd.DataFrame, *, data: str) -> pd.DataFrame:
    """What these tasks are to reach, on this data with one network, of at least 3 seeds; columns as in
    `robust.report.claims`, in percent and points."""
    lines: list[dict[str, object]] = []

    def add(name: str, text: str, comparison: Comparison, limit: float, line: pd.Series, figure: str) -> None:
        if line["seeds"] >= FEWEST_SEEDS:
            low, high = (100 * line[f"{figure}{end}"] for end in ("_low", "_high"))
            middle, seeds = 100 * line[figure], int(line["seeds"])
            lines.append(claim_line(name, "ours", text, comparison, limit, middle, (low, high), data=data, seeds=seeds))

    for task, text, limit, figure in _WANTED:
        for _, line in tasks[tasks["task"].str.split().str[0] == task].iterrows() if len(tasks) else ():
            add(task, text, "at least", limit, line, figure)
    tenth = down[(down["labels"] == _FEW_LABELS) & down["trained"].str.startswith("finetune")]
    for _, line in tenth[tenth["natural_won_low"].notna()].iterrows():
        text = f"with 10 % of the labels {line['trained']} does better than what starts anew"
        add(f"few-labels-{line['trained'].replace(' ', '-')}", text, "surely above", 0, line, "natural_won")
    return pd.DataFrame(lines, columns=COLUMNS)


_FEW_LABELS = 0.1
_WANTED = [
    ("rotation", "which way up a picture is, is told of at least 60 % (chance: 25 %)", 60.0, "accuracy"),
    ("patches", "where a patch lies, is told of at least 30 % (chance: 12.5 %)", 30.0, "accuracy"),
    ("simclr", "neighbours' accuracy rises by at least 20 points over the untrained trunk's", 20.0, "won"),
]
