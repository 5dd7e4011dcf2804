"""What a report says of arXiv 2004.03452, "Strategies for Robust Image Classification"."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL, Samples
from robust.report.section import Section, Table
from robust.report.tables import percentages
from robust.runs import RunFolder
from robust.runs.titles import only_measured
from robust.studies.strategies.ablation import ablation_table
from robust.studies.strategies.curves import curve_figures
from robust.studies.strategies.examples import example_figures
from robust.studies.strategies.ranking import one_for_all, ranking, ranking_figure

_LEVELS = 5  # that make a figure of the paper's
_FEWEST = 2  # trained models that are ranked


def figures_section(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """The paper's figures, by their numbers; those with too few levels are left out."""
    examples = example_figures(_natural_samples(folders, rows))
    if not any(len(one.numbers) >= _LEVELS for one in examples.values()):
        examples = {}
    curves = curve_figures(rows, levels=_LEVELS)
    text = "The figures of Strategies for Robust Image Classification (arXiv 2004.03452), in its arrangement."
    return Section("Strategies for robust image classification", text, dict(sorted({**examples, **curves}.items())))


def _natural_samples(folders: Sequence[Path], rows: pd.DataFrame) -> dict[str, Samples]:
    """The sample images of a natural model of each data set, the first that has some."""
    natural = rows[rows["technique"] == NATURAL].drop_duplicates("run").set_index("run")["data"]
    found: dict[str, Samples] = {}
    for folder in folders:
        data = natural.get(folder.name)
        if data is not None and data not in found and (own := RunFolder(folder).read_samples()) is not None:
            found[data] = own
    return found


def one_for_all_section(rows: pd.DataFrame) -> Section:
    """Which model is best in its worst condition, where some were trained on perturbed images; of those that were
    trained here."""
    table = ranking(rows[~only_measured(rows)])
    if len(table) < _FEWEST or (table["technique"] == NATURAL).all():
        return Section("")
    columns = ["data", "title", "seeds", "natural", "mean", "worst", "hardest", "spread", "shortfall"]
    headings = {"title": "trained", "worst": "worst of the ten", "hardest": "worst of the ten is"}
    shown = percentages(table[columns].rename(columns=headings))
    note = (
        "In percent and points, over natural images and the nine perturbed conditions of the grid. Shortfall: what the "
        "worst lies below the natural model's accuracy on natural images."
    )
    drawing, tables = ranking_figure(table), {"ranking": Table(shown, table, note)}
    return Section("Is there one model for all?", one_for_all(table), {"ranking": drawing}, tables)


def ablation_section(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """The paper's Table I, where networks without one of their parts were trained."""
    natural = set(rows.loc[rows["technique"] == NATURAL, "run"])
    known = {folder.name: RunFolder(folder).read_metrics() for folder in folders if folder.name in natural}
    curves = {name: own for name, own in known.items() if own is not None}
    table = ablation_table(rows, curves)
    if table.empty:
        return Section("")
    titles = {name: f"{name.replace('_', ' ')}, %" for name in ("train", "test", "published_train", "published_test")}
    shown = percentages(table.dropna(axis="columns", how="all")).rename(columns=titles)
    note = "Accuracy on natural images (arXiv 2004.03452, Table I); train: of the last epoch, while learning."
    return Section("What the network's parts contribute", "", {}, {"ablation": Table(shown, table, note)})
