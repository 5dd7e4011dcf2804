"""The confidence of networks: where they are right, where they are wrong, and what abstaining would gain."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from robust.measure import NATURAL, SUITES, TEST_KEY
from robust.measure.calibration import answered, confidence_figures
from robust.measure.suites import comparable_suites, comparable_tests
from robust.report.figures import COLOURS, STYLE, Drawing, legend_below, line_styles
from robust.report.scores import shown_suites, suite_columns
from robust.report.section import Section, Table
from robust.report.tables import calibration_columns, percent, varying
from robust.runs import RunFolder, collect
from robust.runs.temperature import read_temperature
from robust.runs.titles import disambiguate, kind_folders, run_title
from robust.values.text import count

_KIND = ["data", "model", "trained", "technique", "kind"]
_BINS = ["bin_counts", "bin_right", "bin_confidence"]
_MOST = len(COLOURS)  # kinds of networks in a figure
_LEAST = 30  # predictions of a bin that is drawn
_CHANGED = ["expected_calibration_error", "brier_score", "nll"]  # by temperature scaling
_SCALED = (
    "Before and after the logits are divided by the temperature at which NLL is least on the validation images, which "
    "are none of the tests. It fits NLL, of natural images: their ECE may rise, and all three under perturbations. "
    "Perturbed: the mean over the conditions, one trial of each."
)
_ANSWERED = 0.8  # the share of images that the table has the network answer for


def confidence_section(folders: Sequence[Path]) -> Section:
    """Natural images and suites of perturbed ones, of each kind of network; nothing where no confidence was kept."""
    bins = confidence_table(folders)
    if bins.empty:
        return Section("")
    table = _figures(bins)
    shown = {
        **{name: table[name] for name in [*varying(table), "trained", "tested"]},
        "accuracy, %": table["accuracy"].map(percent),
        "confidence, %": table["confidence"].map(percent),
        "confidence where wrong, %": table["confidence_wrong"].map(percent),
        "ECE, %": table["expected_calibration_error"].map(percent),
        f"accuracy on the surest {_ANSWERED:.0%}": table["accuracy_answered"].map(percent),
    }
    note = (
        "Tested: on natural images, or under a suite of tests (see Models), the same of all that stand here. "
        "Confidence: the mean of the greatest probability, over all images and where the network is wrong. ECE: the "
        "expected calibration error, in 15 bins. Surest: what is recognised where the network abstains for the others; "
        "empty where it is almost sure of more than these."
    )
    scaled = _temperature_table(folders)
    drawings = {"confidence": _drawing(bins)} if bins[_KIND].drop_duplicates().shape[0] <= _MOST else {}
    tables = {"confidence": Table(pd.DataFrame(shown), table, note)} | ({"temperature": scaled} if scaled else {})
    return Section("Confidence", "", drawings, tables)


def _temperature_table(folders: Sequence[Path]) -> Table | None:
    """ECE, Brier score and NLL before and after temperature scaling, on natural images and in the mean over perturbed
    ones; None where that was not measured."""
    tables = [
        RunFolder(folder).read_rows().merge(known, on=TEST_KEY, suffixes=("", "_scaled"))
        for folder in folders
        if (known := read_temperature(RunFolder(folder))) is not None
    ]
    if not tables:
        return None
    tests, lines = pd.concat(tables, ignore_index=True), []
    for (_, natural), some in tests.groupby(["run", tests["test_perturbation"] == NATURAL], sort=False):
        about = some.iloc[0]
        line = {"trained": run_title(about), **{name: about[name] for name in varying(tests)}, "seed": about["seed"]}
        line |= {
            "tested": NATURAL if natural else count(len(some), "perturbed condition"),
            "temperature": f"{about['temperature']:.2f}",
        }
        before, after = (calibration_columns(one) for one in _both(some))
        line |= {title: f"{one.iloc[0]} → {after[title].iloc[0]}" for title, one in before.items()}
        lines.append(line)
    return Table(pd.DataFrame(lines).fillna(""), tests, _SCALED)


def _both(tests: pd.DataFrame) -> list[pd.DataFrame]:
    """The means of what scaling changes, before and after."""
    return [
        tests[[f"{name}{end}" for name in _CHANGED]].mean().to_frame().T.set_axis(_CHANGED, axis=1)
        for end in ("", "_scaled")
    ]


def confidence_table(folders: Sequence[Path]) -> pd.DataFrame:
    """A line for each kind of network, tests (natural images, or a suite that it was tested under whole, in the trials
    of most) and bin of confidence, from the least to the greatest: data, model, trained, kind, tested, bin, and
    bin_counts, bin_right and bin_confidence, sums over conditions, trials and seeds."""
    kept = {folder: own for folder in folders if (own := RunFolder(folder).read_confidence()) is not None}
    if not kept:
        return pd.DataFrame(columns=[*_KIND, "tested", "bin", *_BINS])
    rows = collect(kept)
    tests, tables = comparable_tests(rows, shown_suites(suite_columns(comparable_suites(rows)))), []
    runs, of_run = rows.drop_duplicates("run").set_index("run"), tests.groupby("run").indices
    for folder, found in kept.items():
        run = runs.loc[folder.name]
        found = found.merge(tests.iloc[of_run.get(folder.name, [])][[*TEST_KEY, "tested"]], on=TEST_KEY)
        found = found.explode(_BINS, ignore_index=False).astype(dict.fromkeys(_BINS, float))
        found["bin"] = found.groupby(level=0).cumcount()
        about = {"data": run["data"], "model": run["model"], "trained": run_title(run)}
        about |= {"technique": run["technique"], "kind": run["kind"]}
        tables.append(found.groupby(["tested", "bin"], as_index=False)[_BINS].sum().assign(**about))
    found = pd.concat(tables).groupby([*_KIND, "tested", "bin"], sort=False, as_index=False)[_BINS].sum()
    order = {"kind": rows["kind"].unique(), "tested": [NATURAL, *SUITES]}
    places = {name: {one: place for place, one in enumerate(values)} for name, values in order.items()}
    found = found.sort_values([*order], key=lambda one: one.map(places[one.name]), ignore_index=True)
    within, kinds = (found["data"], found["model"]), kind_folders(kept, rows)
    return found.assign(trained=disambiguate(found["trained"], found["kind"], *within, folders=kinds))


def _figures(bins: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for about, group in bins.groupby([*_KIND, "tested"], sort=False):
        figures = confidence_figures(*(group[name].to_numpy() for name in _BINS), share=_ANSWERED)
        lines.append({**dict(zip([*_KIND, "tested"], about, strict=True)), **figures})
    return pd.DataFrame(lines)


def _drawing(bins: pd.DataFrame) -> Drawing:
    tests = list(bins["tested"].unique())
    bins = bins.assign(title=bins[[*varying(bins), "trained"]].agg(" ".join, axis=1))
    styles = line_styles(bins)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 3.1 * len(tests) + 0.4), layout="constrained")
        axes = figure.subplots(len(tests), 2, squeeze=False)
        for (reliable, abstaining), tested in zip(axes, tests, strict=True):
            reliable.plot([0, 100], [0, 100], color="0.7", linestyle="--", linewidth=1)
            mine = bins[bins["tested"] == tested]
            for title, group in mine.groupby("title", sort=False):
                style = {**styles[title], "markersize": 3, "linewidth": 1.1}
                wide = group[_BINS].to_numpy().reshape(len(group) // 4, 4, 3).sum(1)
                counts, right, confidence = wide[wide[:, 0] >= _LEAST].T
                reliable.plot(100 * confidence / counts, 100 * right / counts, **style)
                share, accuracy = answered(*(group[name].to_numpy() for name in _BINS[:2]))
                abstaining.plot(100 * share, 100 * accuracy, **{**style, "marker": ""})
            reliable.set(xlabel="confidence, %", ylabel="accuracy, %", xlim=(0, 101), ylim=(0, 101))
            reliable.set_title(f"{tested} images")
            abstaining.set(
                xlabel="images answered for, the surest first, %", ylabel="accuracy on them, %", xlim=(0, 101)
            )
            abstaining.set_title(f"{tested} images")
        legend_below(figure, columns=3)
    caption = (
        "Left: accuracy against confidence, in 15 bins of at least "
        f"{_LEAST} predictions; on the dashed line a network knows how sure it may be. Right: what is recognised where "
        "the network answers only for the images that it is surest of. Conditions, trials and seeds together."
    )
    return Drawing(figure, caption, bins)
