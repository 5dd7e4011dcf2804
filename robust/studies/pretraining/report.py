"""What self-supervised pretraining is worth: how well each task was learnt, and networks that start from it against
networks that start anew with the same labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from robust.measure.claims import FEWEST_SEEDS, Figure, Subject, decide, read_claims
from robust.report.figures import Drawing
from robust.report.section import Section, Table
from robust.report.studies import if_possible
from robust.report.tables import percent, with_interval
from robust.runs import Config
from robust.studies.pretraining.figures import curves_figure, features_figure, labels_figure, tasks_figure
from robust.studies.pretraining.tables import (
    NETWORK,
    SCRATCH,
    PretrainingRun,
    downstream_lines,
    downstream_table,
    pretraining_runs,
    pretraining_table,
    started_runs,
)


@dataclass(frozen=True)
class Pretraining:
    """Of one network on one data set: the self-supervised runs, the runs that start from them or anew (see
    `downstream_lines`), and the tables of both."""

    data: str
    model: str
    runs: tuple[PretrainingRun, ...]
    lines: pd.DataFrame
    tasks: pd.DataFrame
    downstream: pd.DataFrame


def read_pretraining(folders: Sequence[Path], rows: pd.DataFrame) -> list[Pretraining]:
    """One for each data set and network that these runs pretrain, or train from there."""
    started = started_runs(folders, rows)
    runs = pretraining_runs(folders, started)
    lines = downstream_lines(folders, rows, started) if started else pd.DataFrame(columns=NETWORK)
    downstream = downstream_table(lines) if started else lines
    places = [*((run.data, run.model) for run in runs), *lines[NETWORK].itertuples(index=False, name=None)]
    found = []
    for data, model in dict.fromkeys(places):
        mine = tuple(run for run in runs if (run.data, run.model) == (data, model))
        own, table = (one[(one["data"] == data) & (one["model"] == model)] for one in (lines, downstream))
        found.append(Pretraining(data, model, mine, own, pretraining_table(mine) if mine else pd.DataFrame(), table))
    return found


def pretraining_sections(found: Sequence[Pretraining], folders: Sequence[Path]) -> Iterator[Section]:
    """What there is to say of each: of the tasks, and of what starts from them; `folders` are the report's runs."""
    for one in found:
        end, name = f"-{one.data}-{one.model}".replace(" ", "_"), f": {one.data} {one.model}"
        if len(found) == 1:
            end = name = ""
        if one.runs:
            yield _tasks_section(one, end, name, folders)
        if len(one.lines):
            yield _downstream_section(one, end, name)


def _tasks_section(one: Pretraining, end: str, name: str, folders: Sequence[Path]) -> Section:
    first: dict[str, Config] = {}
    for run in one.runs:
        first.setdefault(run.title, run.config)
    drawings: dict[str, Drawing] = {}
    with if_possible("What the tasks of pretraining show"):
        drawings[f"tasks{end}"] = tasks_figure(first)
    drawings[f"curves{end}"] = curves_figure(one.runs)
    table = Table(_shown_tasks(one.tasks), one.tasks, _TASKS_NOTE)
    beside = tuple(run.folder for run in one.runs if run.folder not in folders)
    return Section(
        f"Self-supervised pretraining{name}", _tasks_text(one.tasks), drawings, {f"pretext{end}": table}, beside
    )


def _downstream_section(one: Pretraining, end: str, name: str) -> Section:
    drawings = {f"labels{end}": labels_figure(one.downstream)}
    with if_possible("A map of the features of pretrained networks"):
        drawings[f"features{end}"] = features_figure(*_to_map(one.lines))
    table = Table(_shown_downstream(one.downstream), one.downstream, _DOWNSTREAM_NOTE)
    return Section(f"After pretraining{name}", _answer(one.downstream), drawings, {f"downstream{end}": table})


_TASKS_NOTE = (
    "Accuracy: in the task itself, on test images; of SimCLR, how often a view is nearest to the other of its picture, "
    "in training. Perturbed: the mean over the perturbed conditions that move nothing. k-NN: how many test images have "
    "the class of the training images with the nearest features (200, or of fewer than 50,000 one of each 250), of the "
    "trunk before and after. Intervals: over seeds (Student)."
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
            "k-NN, untrained, %": _column(table, "untrained"),
            "k-NN, %": _column(table, "knn_accuracy"),
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
    return f"k-NN accuracy of the features after pretraining, over the same trunk untrained: {'; '.join(said)}."


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


def pretraining_claims(found: Sequence[Pretraining]) -> pd.DataFrame:
    """What pretraining is to reach, decided for each line of the tables of at least 3 seeds."""
    claims = read_claims(__package__)
    decided = [decide([claim], _subjects(one)) for one in found for claim in claims]
    return pd.concat([one for one in decided if len(one)] or [decide([], [])], ignore_index=True)


def _subjects(one: Pretraining) -> Iterator[Subject]:
    """The lines of both tables."""
    for _, line in one.tasks.iterrows():
        yield Subject(one.data, _measured(line), {"task": str(line["task"]).split()[0]})
    for _, line in one.downstream.iterrows():
        trained = str(line["trained"])
        words = {"technique": trained.split()[0], "labels": line["labels"], "trained": trained}
        yield Subject(one.data, _measured(line), {**words, "named": trained.replace(" ", "-")})


def _measured(line: pd.Series) -> Callable[[str], Figure | None]:
    """What a claim's `figure` names: a column of the line, in percent."""

    def figure(name: str) -> Figure | None:
        if line["seeds"] < FEWEST_SEEDS or pd.isna(line[f"{name}_low"]):
            return None
        mean, low, high = (100 * line[f"{name}{end}"] for end in ("", "_low", "_high"))
        return Figure(mean, low, high, int(line["seeds"]))

    return figure
