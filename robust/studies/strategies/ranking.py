"""Which model holds up best under everything."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust.measure import NATURAL, condition_title
from robust.measure.suites import comparable_tests
from robust.report.figures import COLOURS, MARKERS, STYLE, Drawing, legend_below
from robust.report.lettering import legend_label
from robust.report.tables import percent, summary_table

#: how far below natural accuracy a model may fall and still count as robust (arXiv 2004.03452 speaks of 3 points)
TOLERANCE = 0.03
_ALL = ("grid", "all")  # the perturbation that is one of all of them; what older rows call it
_TICKS = [0, 20, 40, 50, 60, 70, 80, 85, 90, 93, 95, 97, 98, 99, 99.5, 99.9]
_MOST_LABELS = 8
_TESTS = ["test_perturbation", "test_level"]
_PIXELS_AND_NOISE = [(NATURAL, 0.0), *((fault, 2.0) for fault in ("stuck", "hot", "dead"))]
_PIXELS_AND_NOISE += [("noise", level) for level in (0.0255, 0.03775, 0.05)]
_BLURS = ("blur_channels", "blur")  # the published one first
_FIGURES = ["natural", "mean", "worst", "hardest", "spread", "shortfall"]
_COLUMNS = ["data", "title", "technique", "train_perturbation", "train_level", "seeds", *_FIGURES, "blur"]


def ranking(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each kind of run tested on natural images and all nine perturbed conditions of the grid, in the
    trials that most runs of the data have.

    Columns: data, title, technique, train_perturbation, train_level, seeds, natural, mean, worst, hardest, spread,
    shortfall; per data set the best worst case first. Accuracies are means over seeds and fractions; mean, worst (in
    the condition `hardest`) and spread (best minus worst) are over all ten; `shortfall` is the natural accuracy of
    the natural model minus worst, NaN where a seed has no such model. Of the two blurs a data set is ranked by the one
    that more models were tested on, or blur_channels: `blur` names it.
    """
    tables = [_rank(group) for _, group in rows.groupby("data", sort=False)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)


def _rank(rows: pd.DataFrame) -> pd.DataFrame:
    """The ranking of the models of one data set."""
    summary = summary_table(comparable_tests(rows, ["pixel", "noise", *_BLURS]))
    runs = summary[summary["test_perturbation"] == NATURAL].set_index("run")
    blur, results = _complete(summary.pivot(index="run", columns=_TESTS, values="mean"))
    by_kind = runs.loc[results.index, "kind"]
    table = runs.loc[results.index].groupby("kind")[_COLUMNS[:5]].first()
    results = results.groupby(by_kind).mean()
    results.columns = [condition_title(name, level) for name, level in results.columns]
    table["blur"] = blur
    table["seeds"] = by_kind.value_counts()
    table["natural"] = results[NATURAL]
    table["mean"] = results.mean(axis=1)
    table["worst"] = results.min(axis=1)
    table["hardest"] = results.idxmin(axis=1) if len(results) else ""
    table["spread"] = results.max(axis=1) - results.min(axis=1)
    table["shortfall"] = runs["before"].groupby(by_kind).agg(lambda one: one.mean(skipna=False)) - table["worst"]
    return table.sort_values(["worst", "mean"], ascending=False, ignore_index=True)[_COLUMNS]


def _complete(results: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """The blur that leaves more runs with all ten conditions, and these."""
    candidates = {}
    for blur in _BLURS:
        tests = [*_PIXELS_AND_NOISE, *((blur, level) for level in (0.5, 0.75, 1.0))]
        columns = pd.MultiIndex.from_tuples(tests, names=_TESTS)
        candidates[blur] = results.reindex(columns=columns).dropna()
    return max(candidates.items(), key=lambda candidate: len(candidate[1]))


def robust(table: pd.DataFrame) -> pd.DataFrame:
    """The lines of a ranking whose model stays within 3 points of natural accuracy under every condition."""
    return table[table["shortfall"] <= TOLERANCE + 1e-9]


def one_for_all(table: pd.DataFrame) -> str:
    """Whether one model holds up under everything: a sentence or two for each data set of a ranking."""
    return " ".join(_answer(data, group) for data, group in table.groupby("data", sort=False))


def _answer(data: str, table: pd.DataFrame) -> str:
    within = robust(table)
    models = f"{len(table)} model{'' if len(table) == 1 else 's'}"
    if table["shortfall"].isna().all():
        return f"{data}: the natural model was not measured, so there is nothing to hold {models} against."
    best = table.loc[(within if len(within) else table)["shortfall"].idxmin()]
    count = f"{len(within) or 'none'} of {models}"
    before = percent(best["worst"] + best["shortfall"])
    seeds = f", over {best['seeds']} seeds" if best["seeds"] > 1 else ""
    return (
        f"{data}: {count} stayed within {100 * TOLERANCE:g} points of natural accuracy ({before} %) under all ten "
        f"conditions{_named(table)}. The {'best' if len(within) else 'nearest'} is {best['title']}: "
        f"{percent(best['natural'])} % on natural images, {percent(best['mean'])} % on average, "
        f"{percent(best['worst'])} % at worst of the ten ({best['hardest']}){seeds}."
    )


def _named(table: pd.DataFrame) -> str:
    """Which blur is among the conditions, where it is not the usual one."""
    return f" (their blur is {table['blur'].iloc[0]})" if table["blur"].iloc[0] != "blur" else ""


def ranking_figure(table: pd.DataFrame) -> Drawing:
    """Natural accuracy against accuracy in the worst case: a panel for each data set, a point for each model."""
    if table.empty:
        raise ValueError("`table` must rank some models; none was tested under all ten conditions of the grid.")
    names = list(table["data"].unique())
    with matplotlib.rc_context(STYLE):
        columns, height = min(2, len(names)), -(-len(names) // 2)
        figure = Figure(figsize=(5.0 * columns + 0.3, 4.1 * height + 0.5), layout="constrained")
        axes = figure.subplots(height, columns, squeeze=False).flatten()
        techniques = [name for name in table["technique"].unique() if name != NATURAL]
        for name, axis in zip(names, axes, strict=False):
            _draw_panel(axis, table[table["data"] == name], techniques)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        legend_below(figure, columns=3)
    caption = (
        "Each point is a model, averaged over its seeds: accuracy on natural images against its worst accuracy over "
        "natural images and the nine perturbed conditions of the grid (upwards the scale stretches, where models "
        f"crowd). In the grey band it is within {100 * TOLERANCE:g} points of what the natural model reaches on "
        "natural images. Large points were trained on all perturbations."
    )
    return Drawing(figure, caption, table)


def _draw_panel(axis: Axes, table: pd.DataFrame, techniques: list[str]) -> None:
    """One data set: a point for each model, a band around what the natural model reaches on natural images."""
    natural = table["technique"] == NATURAL
    everything = table["train_perturbation"].isin(_ALL) & ~natural
    base = (table["worst"] + table["shortfall"]).max()
    if pd.notna(base):
        axis.axhspan(100 * (base - TOLERANCE), 100 * base, color="0.92", zorder=0, linewidth=0)
    _draw_points(axis, table[natural], color="0.25", marker="X", s=70, zorder=3, label=NATURAL)
    for place, technique in enumerate(techniques):
        of_it = table["technique"] == technique
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        _draw_points(
            axis, table[of_it & ~everything], **style, s=22, alpha=0.7, linewidths=0.4, label=legend_label(technique)
        )
        _draw_points(
            axis, table[of_it & everything], **style, s=80, linewidths=1, label=legend_label(f"{technique}, on all")
        )
    # the square root of the error: most models crowd where little is wrong
    axis.set_yscale("function", functions=(lambda y: -np.sqrt((100 - y).clip(0)), lambda root: 100 - root**2))
    lowest, highest = 100 * table["worst"].min(), 100 * max(table["worst"].max(), base)
    bottom, top = max(0, min(lowest - 0.1 * (100 - lowest), 99)), highest + 0.4 * (100 - highest)
    axis.set_ylim(bottom, top)
    axis.set_yticks([tick for tick in _TICKS if bottom <= tick <= top])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(axis="y", color="0.9", linewidth=0.6, zorder=0)
    axis.set_axisbelow(True)
    axis.set(
        title=f"{table['data'].iloc[0]}{_named(table)}",
        xlabel="accuracy on natural images, %",
        ylabel="accuracy in the worst case, %",
    )
    _label(axis, table[natural | everything | (table.index == table.index[0])])


def _draw_points(axis: Axes, table: pd.DataFrame, **style: Any) -> None:
    if len(table):
        axis.scatter(100 * table["natural"], 100 * table["worst"], edgecolors="white", **{"zorder": 2} | style)


def _label(axis: Axes, table: pd.DataFrame) -> None:
    """Names beside the panel, best first, none over another; a thin line leads to each point."""
    to_axes = axis.transScale + axis.transLimits
    height = 1.0
    for _, line in table.head(_MOST_LABELS).iterrows():
        point = 100 * line["natural"], 100 * line["worst"]
        height = min(height - 0.06, to_axes.transform(point)[1])
        axis.annotate(
            f"{line['title']}: {percent(line['worst'])}",
            point,
            (1.02, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 3},
        )
