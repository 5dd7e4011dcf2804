"""What a report says, in its order: each section a few sentences, figures and tables."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL, Samples, condition_title
from robust.report.ablation import ablation_table
from robust.report.attacks import attacks_section
from robust.report.choice import comparable, in_order, of_one_kind
from robust.report.confidence import confidence_section
from robust.report.confusion import confusion_figure, confusion_matrix, merged_pairs
from robust.report.figures import Drawing, accuracy_figure, samples_figure
from robust.report.natural_adversarial import natural_adversarial_section
from robust.report.pairs import MEAN, technique_differences
from robust.report.paper import example_figures, paper_figures
from robust.report.ranking import one_for_all, ranking, ranking_figure
from robust.report.scores import score_table
from robust.report.section import Section, Table
from robust.report.strategies_claims import claims, claims_summary
from robust.report.studies import studies
from robust.report.tables import (
    interval_column,
    over_seeds,
    percent,
    summary_table,
    sureness_columns,
    varying,
    with_interval,
)
from robust.runs import RunFolder

_MOST_LINES = 12  # kinds of runs that one can tell apart in a figure
_MOST_SAMPLES = 6  # runs whose sample images are shown
_GRID = 4  # levels that make a curve of the paper's


def sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:
    """Everything there is to say about these runs; what their rows cannot answer is left out."""
    summary = summary_table(rows, folders)
    found = [
        _models(summary, rows),
        _paper(rows),
        _claims(folders, rows),
        *(section for study in studies() for section in study.sections(folders, rows)),
        attacks_section(folders),
        _one_for_all(rows),
        _techniques(folders),
        _images(folders, summary),
        confidence_section(folders),
        natural_adversarial_section(folders),
        _confusions(folders, rows),
        _ablation(folders, rows),
        _conditions(summary),
    ]
    return [section for section in found if section.drawings or section.tables]


def run_drawings(folder: Path) -> dict[str, Drawing]:
    """One run's own figures: its accuracy against the level of each perturbation, images as it sees them, and how it
    confuses classes."""
    files = RunFolder(folder)
    lines = over_seeds(summary_table(files.read_rows()))
    title, confusion = lines["title"].iloc[0], confusion_matrix([folder])
    drawings = {}
    if (samples := files.read_samples()) is not None:
        drawings["samples"] = _samples(samples, title)
    if NATURAL in set(confusion["condition"]):
        drawings["confusion"] = confusion_figure(confusion, title)
    if (lines["test_perturbation"] != NATURAL).any():
        drawings["accuracy"] = _accuracy(lines)
    return drawings


def _models(summary: pd.DataFrame, rows: pd.DataFrame) -> Section:
    scores, lines = score_table(summary, rows), over_seeds(summary)
    table = scores.lines
    trained = table["won"].notna()
    suites = {f"{suite}, %": [_won(line, suite) for _, line in table.iterrows()] for suite in scores.suites}
    shown = pd.DataFrame(
        {
            "trained": table["title"],
            **{name: table[name] for name in varying(table)},
            **({"seeds": table["seeds"]} if (table["seeds"] > 1).any() else {}),
            "natural images, %": [with_interval(line, "natural") for _, line in table.iterrows()],
            **suites,
            "worst condition": table["hardest"],
            "natural model's worst accuracy, %": table["before"].where(trained).map(percent),
            "this model there, %": table["after"].map(percent),
            "won back, points": [percent(value, sign=True) for value in table["won"]],
        }
    )
    note = (
        f"{scores.note} a → b: accuracy of the natural model → of this model, in the same trials. Intervals: 95 %, "
        "over seeds (Student). Worst condition: where the natural model is least accurate, among what this model "
        "was tested under."
    ).strip()
    drawings = {}
    if lines["title"].nunique() <= _MOST_LINES and (lines["test_perturbation"] != NATURAL).any():
        drawings["accuracy"] = _accuracy(lines)
    return Section("Models", "", drawings, {"models": Table(shown, table, note)})


def _won(line: pd.Series, suite: str) -> str:
    """A mean over a suite, and the natural model's where that is known."""
    before = line[f"{suite}_before"]
    return ("" if pd.isna(before) else f"{percent(before)} → ") + with_interval(line, suite)


def _accuracy(lines: pd.DataFrame) -> Drawing:
    caption = (
        "Test accuracy against the level of each test perturbation. Bars: 95 % intervals, over images (Wilson) for "
        "one seed, over seeds (Student) for several."
    )
    return Drawing(accuracy_figure(lines), caption, lines)


def _paper(rows: pd.DataFrame) -> Section:
    drawings = {name: _as_figure(name, one) for name, one in paper_figures(rows).items() if _is_curve(one.numbers)}
    text = "The figures of Strategies for Robust Image Classification (arXiv 2004.03452), in its arrangement."
    return Section("The paper's figures", text, drawings)


def _as_figure(name: str, drawing: Drawing) -> Drawing:
    """The drawing with the paper's number for it in its caption."""
    number = re.sub(r"([A-C])", r"\1.", name.removeprefix("figure-"))
    return replace(drawing, caption=f"Figure {number}. {drawing.caption}")


def _is_curve(numbers: pd.DataFrame) -> bool:
    return max(numbers["train_level"].nunique() - 1, numbers["test_level"].nunique() - 1) >= _GRID


def _claims(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    found = (
        claims(rows, folders),
        *(study.claims(folders, rows) for study in studies()),
    )
    table = pd.concat([one for one in found if len(one)] or [found[0]], ignore_index=True)
    if table.empty:
        return Section("")
    shown = table[["claim", "published", "measured", "met", "reason", "seeds"]].copy()
    shown["measured"] = [f"{one.measured:g} [{one.low:g}, {one.high:g}]" for one in table.itertuples()]
    shown["published"] = [
        f"{one.published:g}{f' ± {one.tolerance:g}' if one.tolerance else ''}" for one in table.itertuples()
    ]
    note = "In percent and points, with 95 % intervals: Student's over seeds; for one seed over images."
    return Section("The paper's claims", claims_summary(table), {}, {"claims": Table(shown, table, note)})


def _one_for_all(rows: pd.DataFrame) -> Section:
    table = ranking(rows)
    if (table["technique"] != NATURAL).sum() < 1:
        return Section("")
    columns = ["data", "title", "seeds", "natural", "mean", "worst", "hardest", "spread", "shortfall"]
    shown = _percent(table[columns].rename(columns={"title": "trained"}))
    note = (
        "In percent and points, over natural images and the nine perturbed conditions of the grid. Shortfall: what the "
        "worst lies below the natural model's accuracy on natural images."
    )
    drawing, tables = ranking_figure(table), {"ranking": Table(shown, table, note)}
    return Section("Is there one model for all?", one_for_all(table), {"ranking": drawing}, tables)


def _techniques(folders: Sequence[Path]) -> Section:
    table = technique_differences(folders)
    if table.empty:
        return Section("")
    trained = pd.Series([condition_title(*pair) for pair in table[["train_perturbation", "train_level"]].values])
    interval = [f"{percent(a, sign=True)} to {percent(b, sign=True)}" for a, b in table[["low", "high"]].values]
    shown = pd.DataFrame(
        {
            "data": table["data"],
            **({"model": table["model"]} if table["model"].nunique() > table["data"].nunique() else {}),
            "trained on": trained,
            "first": table["first"],
            "second": table["second"],
            "tested on": table["condition"],
            "difference, points": [percent(value, sign=True) for value in table["difference"]],
            "95 % interval": interval,
            "better": table["better"],
        }
    )
    mean = table["condition"] == MEAN
    text = " ".join(
        f"{first} against {second}, of {len(group)} trainings: {(group['better'] == first).sum()} better with {first}, "
        f"{(group['better'] == second).sum()} with {second}, {(group['better'] == '').sum()} undecided."
        for (first, second), group in table[mean].groupby(["first", "second"], sort=False)
    )
    note = (
        "First minus second, on the mean over all conditions that both were tested under, in the same trials; each "
        "condition is in the CSV. Intervals: paired over seeds (Student) and images (bootstrap)."
    )
    return Section("Techniques compared", text, {}, {"differences": Table(shown[mean], table, note)})


def _images(folders: Sequence[Path], summary: pd.DataFrame) -> Section:
    kinds = summary.drop_duplicates("title").set_index("run")
    if len(kinds) > _MOST_LINES:
        kinds = kinds[kinds["technique"] == NATURAL]
    shown = [folder for folder in folders if folder.name in kinds.index and RunFolder(folder).samples.is_file()]
    shown = sorted(shown, key=lambda folder: kinds.loc[folder.name, "technique"] != NATURAL)[:_MOST_SAMPLES]
    samples = {folder: own for folder in shown if (own := RunFolder(folder).read_samples()) is not None}
    natural = [folder for folder in shown if kinds.loc[folder.name, "technique"] == NATURAL]
    examples = example_figures({kinds.loc[folder.name, "data"]: samples[folder] for folder in reversed(natural)})
    drawings = {}
    if any(len(one.numbers) > _GRID for one in examples.values()):
        drawings = {name: _as_figure(name, one) for name, one in examples.items()}
    for folder, own in samples.items():
        title = kinds.loc[folder.name, "title"]
        drawings[f"samples-{title}"] = _samples(own, title)
    return Section("The images", "", drawings)


def _samples(samples: Samples, title: str) -> Drawing:
    caption = f"The predicted class above each image, bold where it is wrong ({title})."
    verdicts = pd.DataFrame(
        [
            (name, level, samples.classes[label], samples.classes[predicted])
            for name, level, line in zip(samples.names, samples.levels, samples.predicted, strict=True)
            for label, predicted in zip(samples.labels, line, strict=True)
        ],
        columns=["test_perturbation", "test_level", "label", "predicted"],
    )
    return Drawing(samples_figure(samples, title), caption, verdicts)


def _confusions(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """Of the natural model of each data set."""
    rows = comparable(rows)
    runs = of_one_kind(rows[rows["technique"] == NATURAL]).drop_duplicates("run")
    drawings, tables = {}, {}
    for data in in_order(runs["data"]):
        names = set(runs.loc[runs["data"] == data, "run"])
        table = confusion_matrix([folder for folder in folders if folder.name in names])
        if NATURAL not in set(table["condition"]):
            continue
        pairs = merged_pairs(table)
        drawings[f"confusion-{data}"] = confusion_figure(table, f"natural model, {data}")
        shown = _percent(pairs.rename(columns={"natural": "natural, %", "perturbed": "perturbed, %"}))
        note = "Of the true class; gained: what the perturbation adds, in points. The five pairs that grow most."
        tables[f"confusion-{data}"] = Table(shown, pairs, note)
    return Section("How classes get confused", "The natural model, under each condition.", drawings, tables)


def _ablation(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    curves = {folder.name: own for folder in folders if (own := RunFolder(folder).read_metrics()) is not None}
    table = ablation_table(rows, curves)
    note = "Accuracy in percent (arXiv 2004.03452, Table I); train: of the last epoch, while learning."
    return Section(
        "What the network's parts contribute",
        "",
        {},
        {"ablation": Table(_percent(table), table, note)} if len(table) else {},
    )


def _conditions(summary: pd.DataFrame) -> Section:
    lines = over_seeds(summary)
    tested = [condition_title(*pair) for pair in lines[["test_perturbation", "test_level"]].values]
    shown = pd.DataFrame(
        {
            "trained": lines["title"],
            "data": lines["data"],
            "tested on": tested,
            "seeds": lines["seeds"],
            "accuracy, %": lines["mean"].map(percent),
            **interval_column(lines),
            **sureness_columns(lines),
        }
    )
    note = (
        "Intervals: over images (Wilson) for one seed, over seeds (Student) for several. RMS calibration error and "
        "AURRA as in arXiv 1907.07174. A run's standard deviation over trials and its worst trial are in its "
        "summary.json."
    )
    return Section("Every condition", "", {}, {"conditions": Table(shown, lines, note)})


def _percent(table: pd.DataFrame, *, signed: Sequence[str] = ()) -> pd.DataFrame:
    """Fractions as percentages, everything else as it is."""
    columns = {}
    for name in table:
        values = table[name]
        if values.dtype == float and name != "train_level":
            values = values.map(lambda value, name=name: percent(value, sign=name in signed))
        columns[name] = values
    return pd.DataFrame(columns)
