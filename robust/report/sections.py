"""What a report says, in its order: each section a few sentences, figures and tables."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL, condition_title
from robust.measure.claims import claims_summary
from robust.measure.confusion import merged_pairs
from robust.measure.paired import MEAN
from robust.report.attacks import attacks_section
from robust.report.certificates import certificates_section
from robust.report.confidence import confidence_section
from robust.report.confusion import confusion_figure, confusion_matrix
from robust.report.exposure import exposure_cells, exposure_notes
from robust.report.figures import Drawing, accuracy_figure, samples_figure
from robust.report.learning import learning_section
from robust.report.pairs import technique_differences
from robust.report.published import published_section
from robust.report.scores import score_table, shown_scores
from robust.report.search import search_section
from robust.report.section import Section, Table
from robust.report.studies import studies
from robust.report.tables import (
    amount,
    calibration_columns,
    ended_note,
    interval_column,
    over_seeds,
    percent,
    percentages,
    summary_table,
)
from robust.runs import RunFolder, prices, with_distances
from robust.runs.settings import keeps_best, kept_epoch

_MOST_LINES = 12  # kinds of runs that one can tell apart in a figure
_MOST_SAMPLES = 6  # runs whose sample images are shown
_MOST_CLOSELY = 200  # runs that are looked at image by image


def sections(folders: Sequence[Path], rows: pd.DataFrame, *, exposure: str = "") -> list[Section]:
    """Everything there is to say about these runs; what their rows cannot answer is left out. With an `exposure`, what
    the rows say of the tests of that (see `robust.measure.only_exposed`)."""
    summary = summary_table(rows, folders)
    if exposure:
        found = [_models(summary, rows, folders, exposure), _conditions(summary, folders), _runs(summary, folders)]
        return [section for section in found if section.tables]
    closely = _closely(folders, rows)
    of_studies = [study.findings(folders, rows) for study in studies()]
    found = [
        _models(summary, rows, folders),
        _claims([one.claims for one in of_studies]),
        *(section for one in of_studies for section in one.sections),
        search_section(folders),
        attacks_section(folders),
        certificates_section(folders),
        _of_some(_techniques(closely), closely, folders),
        _images(folders, summary),
        learning_section(folders, summary.drop_duplicates("run").set_index("run")["title"]),
        _of_some(confidence_section(closely), closely, folders),
        published_section(folders),
        _confusions(folders, rows),
        _conditions(summary, folders),
        _runs(summary, folders),
    ]
    return [section for section in found if section.drawings or section.tables]


def _closely(folders: Sequence[Path], rows: pd.DataFrame) -> Sequence[Path]:
    """The runs whose predictions are read; of more than that takes seconds, the first, each with its natural run."""
    places = {folder.name: folder for folder in folders}
    names = dict.fromkeys(rows.drop_duplicates("run")[["run", "reference"]].to_numpy().ravel())
    few = [places[name] for name in names if name in places][:_MOST_CLOSELY]
    return few if len(folders) > _MOST_CLOSELY else folders


def _of_some(section: Section, some: Sequence[Path], every: Sequence[Path]) -> Section:
    """What is said of some runs, and that it is of these alone."""
    if len(some) == len(every):
        return section
    said = f"Of the first {len(some):,} of {len(every):,} runs; a report of fewer runs has others."
    return replace(section, text=f"{section.text} {said}".strip())


def run_drawings(folder: Path) -> dict[str, Drawing]:
    """One run's own figures: its accuracy against the level of each perturbation, images as it sees them, and how it
    confuses classes."""
    files = RunFolder(folder)
    lines = over_seeds(summary_table(files.read_rows()))
    title, confusion = lines["title"].iloc[0], confusion_matrix([folder])
    drawings = {}
    if (samples := files.read_samples()) is not None:
        drawings["samples"] = samples_figure(samples, title)
    if NATURAL in set(confusion["condition"]):
        drawings["confusion"] = confusion_figure(confusion, title)
    if (lines["test_perturbation"] != NATURAL).any():
        drawings["accuracy"] = accuracy_figure(lines)
    return drawings


def _models(summary: pd.DataFrame, rows: pd.DataFrame, folders: Sequence[Path], exposure: str = "") -> Section:
    scores, lines = score_table(summary, rows, folders, exposure=exposure), over_seeds(summary)
    drawings = {}
    if lines["title"].nunique() <= _MOST_LINES and (lines["test_perturbation"] != NATURAL).any():
        drawings["accuracy"] = accuracy_figure(lines)
    table = Table(shown_scores(scores), scores.lines, scores.note)
    text = f"Tests of exposure {exposure} alone, and the natural model in the same ones." if exposure else ""
    return Section("Models", text, drawings, {"models": table}, order=("tables", "figures"))


def _claims(decided: Sequence[pd.DataFrame]) -> Section:
    if not (tables := [one for one in decided if len(one)]):
        return Section("")
    table = pd.concat(tables, ignore_index=True)
    shown = table[["claim", "published", "measured", "met", "reason", "seeds"]].copy()
    shown["measured"] = [f"{one.measured:g} [{one.low:g}, {one.high:g}]" for one in table.itertuples()]
    shown["published"] = [
        f"{one.published:g}{f' ± {one.tolerance:g}' if one.tolerance else ''}" for one in table.itertuples()
    ]
    note = "In percent and points, with 95 % intervals: Student's over seeds; for one seed over images."
    return Section("Claims", claims_summary(table), {}, {"claims": Table(shown, table, note)})


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
    drawings = {}
    for folder in shown:
        title, samples = kinds.loc[folder.name, "title"], RunFolder(folder).read_samples()
        assert samples is not None
        drawings[f"samples-{title}"] = samples_figure(samples, title)
    return Section("The images", "", drawings)


def _confusions(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """Of each data set: of the natural model that most of its runs are held against."""
    runs = rows.drop_duplicates("run").set_index("run")
    natural = runs[runs["technique"] == NATURAL]
    often = natural["kind"].map(runs["reference"].map(runs["kind"]).value_counts()).fillna(0)
    drawings, tables = {}, {}
    for data, run in often.groupby(natural["data"], sort=False).idxmax().items():
        mine = natural.index[(natural[["data", "kind"]] == natural.loc[run, ["data", "kind"]]).all(axis=1)]
        table = confusion_matrix([folder for folder in folders if folder.name in mine])
        if NATURAL not in set(table["condition"]):
            continue
        pairs = merged_pairs(table)
        drawings[f"confusion-{data}"] = confusion_figure(table, f"natural model, {data}")
        shown = percentages(pairs.rename(columns={"natural": "natural, %", "perturbed": "perturbed, %"}))
        note = "Of the true class; gained: what the perturbation adds, in points. The five pairs that grow most."
        tables[f"confusion-{data}"] = Table(shown, pairs, note)
    return Section("How classes get confused", "The natural model, under each condition.", drawings, tables)


def _conditions(summary: pd.DataFrame, folders: Sequence[Path]) -> Section:
    lines = over_seeds(with_distances(summary, folders))
    tested = [condition_title(*pair) for pair in lines[["test_perturbation", "test_level"]].values]
    shown = pd.DataFrame(
        {
            "trained": lines["title"],
            "data": lines["data"],
            "tested on": tested,
            **exposure_cells(lines),
            "seeds": lines["seeds"],
            "accuracy, %": lines["mean"].map(percent),
            **interval_column(lines),
            **calibration_columns(lines),
        }
    )
    note = (
        "Intervals: over images (Wilson) for one seed, over seeds (Student) for several. RMS calibration error: "
        "in bins of 100 predictions. Brier score (0 to 2) and NLL: of the probabilities of all classes. AURC: the mean "
        "share of wrong answers where the network answers only for the images that it is surest of. Lower is better in "
        "all of them. A run's standard deviation over trials and its worst trial are in its summary.json."
    )
    return Section(
        "Every condition",
        "",
        {},
        {
            "conditions": Table(
                shown, lines, " ".join(filter(None, [note, ended_note(summary)])) + exposure_notes(shown)
            )
        },
    )


def _price_cells(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What a run cost, as a table shows it; GPUs where some run had one."""
    columns = {"seconds": ("seconds", 1), "GPU-seconds": ("gpu_seconds", 1), "joules": ("joules", 1)}
    columns |= {"memory, MB": ("peak_bytes", 10**6), "GPU memory, MB": ("gpu_peak_bytes", 10**6)}
    found = {title: table[f"price.{name}"] / unit for title, (name, unit) in columns.items()}
    return {title: figures.map(amount) for title, figures in found.items() if figures.any()}


def _runs(summary: pd.DataFrame, folders: Sequence[Path]) -> Section:
    """Where each run lies, and which natural run it is compared with."""
    runs = summary.drop_duplicates("run")
    places = {folder.name: folder for folder in folders}
    runs = runs[runs["run"].isin(places)]
    table = runs[["title", "data", "model", "seed", "run", "reference"]].reset_index(drop=True)
    shown = table.rename(columns={"title": "trained", "run": "folder", "reference": "compared with"})
    shown["compared with"] = shown["compared with"].where(shown["compared with"] != shown["folder"], "")
    best = {one.kind for one in runs.drop_duplicates("kind").itertuples() if keeps_best(places[one.run])}
    if any(kept := [kept_epoch(places[one.run]) if one.kind in best else "" for one in runs.itertuples()]):
        shown["kept after"] = kept
    note = "Compared with: the natural run that was trained with the same settings, or that the run starts from."
    if len(cost := prices(places[run] for run in table["run"])):
        table = table.join(cost, on="run")
        shown = shown.assign(**_price_cells(table))
        note += f" Joules by {' or '.join(table['price.joules_by'].dropna().unique())}; memory: the most at once."
    return Section("Runs", "", {}, {"runs": Table(shown, table, note)} if len(table) else {})
