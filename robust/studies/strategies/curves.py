"""The curves of arXiv 2004.03452, its figures 4, 6, 8 and A1 to C3, from rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.measure import NATURAL, UNITS
from robust.report.figures import COLOURS, MARKERS, STYLE, Drawing
from robust.studies.strategies.choice import comparable, select_kind
from robust.studies.strategies.paper import DATA_TITLES, FAMILIES, TECHNIQUES, Family, in_order, numbered

_POINT = ["data", "technique", "train_perturbation", "train_level", "test_perturbation", "test_level"]
_GREY: Any = {"color": "0.35", "marker": "x", "linestyle": "--", "zorder": 4}  # over lines that lie on it


@dataclass(frozen=True)
class _Panel:
    """One pair of axes: `lines` of points by their label, drawn over `x`; `levels` are grey horizontals."""

    row: int
    data: str
    title: str
    x: str
    unit: str
    lines: dict[str, pd.DataFrame]
    levels: dict[str, tuple[float, str]] = field(default_factory=dict)


def curve_figures(rows: pd.DataFrame, *, levels: int = 1) -> dict[str, Drawing]:
    """The paper's figures 4, 6, 8 (impact study) and A1 to C3 (training), those for which there are rows of so many
    `levels`, of training or of tests.

    Their numbers: one line for each point that is drawn, accuracies as fractions; `trials` are those of a seed,
    `std` is over all trials of all seeds, NaN for a single one. Of runs that differ by more than their seed one kind
    is drawn: of the least changed network, of the settings that most runs share, with the most seeds and tests;
    where that leaves two, none.
    """
    rows = comparable(rows)
    drawings = {number: _impact(rows, family, levels) for number, family in zip("468", FAMILIES, strict=True)}
    for letter, technique in zip("ABC", TECHNIQUES, strict=True):
        for number, family in enumerate(FAMILIES, 1):
            drawings[f"{letter}.{number}"] = _training(rows, technique, family, levels)
    return numbered(drawings)


def _has(numbers: pd.DataFrame, levels: int) -> bool:
    return max(numbers["train_level"].nunique(), numbers["test_level"].nunique()) >= levels


def _impact(rows: pd.DataFrame, family: Family, levels: int) -> Drawing | None:
    """The natural models' accuracy against the level of each perturbation of the family."""
    tests = rows[(rows["technique"] == NATURAL) & rows["test_perturbation"].isin([*family.names, NATURAL])]
    natural = tests[tests["run"].isin(tests.loc[tests["test_perturbation"] != NATURAL, "run"])]
    if natural.empty:
        return None
    chosen = select_kind(natural)
    if chosen.empty:
        return None
    points = _points(chosen)
    if not _has(points, levels):
        return None
    panels = []
    for data in in_order(points["data"]):
        own = points[points["data"] == data].sort_values("test_level")
        start = own[own["test_perturbation"] == NATURAL]
        tests = {name: own[own["test_perturbation"] == name] for name in family.names}
        lines = {name: pd.concat([start, test]) for name, test in tests.items() if len(test)}
        across = {} if start.empty else {"natural images": (start["mean"].iloc[0], "--")}
        panels.append(_Panel(0, data, "", "test_level", f"test level: {UNITS[family.names[0]]}", lines, across))
    caption = (
        f"Impact of {family.title}: test accuracy of networks trained on natural images, against the level that "
        f"they are tested at (0: natural images). {_bars(points)}{_left_out(natural, chosen)}"
    )
    places = {name: place for place, name in enumerate(family.names)}
    return Drawing(_draw(panels, places), caption, points)


def _training(rows: pd.DataFrame, technique: str, family: Family, levels: int) -> Drawing | None:
    """Accuracy in the paper's tests against the level trained on, a panel for each perturbation and data set."""
    tests = [(name, *test) for name in family.names for test in [(NATURAL, 0.0), *family.tests(name)]]
    wanted = pd.DataFrame(tests, columns=["train_perturbation", "test_perturbation", "test_level"])
    ours = rows[rows["technique"] == technique].merge(wanted)
    if ours.empty:
        return None
    chosen = select_kind(ours)
    if chosen.empty:
        return None
    networks = chosen[["data", "model"]].drop_duplicates()
    natural = select_kind(rows[rows["technique"] == NATURAL].merge(networks))
    natural = natural[natural["test_perturbation"] == NATURAL]
    points, before = _points(chosen), _points(natural).set_index("data")["mean"]
    panels = []
    for data in in_order(points["data"]):
        own = points[points["data"] == data]
        trained = [name for name in family.names if name in set(own["train_perturbation"])]
        # Kinds of pixels have a row each in all data sets; a data set's blur is beside the other's, whichever it is.
        present = [name for name in family.names if name in set(chosen["train_perturbation"])]
        for place, name in enumerate(trained):
            row = present.index(name) if family.together else place
            across = {"natural model": (before[data], ":")} if data in before else {}
            lines = _test_lines(own[own["train_perturbation"] == name], name, family)
            title = f"trained on {name}{' pixels' if family.together else ''}"
            panels.append(_Panel(row, data, title, "train_level", f"training level: {UNITS[name]}", lines, across))
    drawn = pd.concat([line for panel in panels for line in panel.lines.values()])
    numbers = pd.concat([_points(natural), drawn], ignore_index=True)
    if not _has(numbers, levels):
        return None
    caption = (
        f"{technique.capitalize()} learning with {family.title}: test accuracy against the level trained on; "
        "dotted, the natural model's on natural images. "
        f"{_bars(drawn)}{_left_out(ours, chosen)}"
    )
    labels = {family.label(*test): place for name in family.names for place, test in enumerate(family.tests(name))}
    return Drawing(_draw(panels, labels), caption, numbers)


def _test_lines(points: pd.DataFrame, trained: str, family: Family) -> dict[str, pd.DataFrame]:
    lines = {"natural images": points[points["test_perturbation"] == NATURAL]}
    for name, level in family.tests(trained):
        is_test = (points["test_perturbation"] == name) & (points["test_level"] == level)
        lines[family.label(name, level)] = points[is_test]
    return {label: line.sort_values("train_level") for label, line in lines.items() if len(line)}


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each training and test: seeds, trials (of a seed), mean (over seeds of the mean over trials), std
    (over all trials of all seeds; NaN for one)."""
    runs = rows.groupby([*_POINT, "run"])["accuracy"].agg(["size", "mean"]).reset_index()
    points = runs.groupby(_POINT).agg(seeds=("run", "size"), trials=("size", "max"), mean=("mean", "mean"))
    points["std"] = rows.groupby(_POINT)["accuracy"].std()
    return points.reset_index()


def _left_out(rows: pd.DataFrame, chosen: pd.DataFrame) -> str:
    """How many runs were not chosen, as a sentence; nothing for none."""
    others = rows["run"].nunique() - chosen["run"].nunique()
    return f" Left out: {others} run{'s' if others > 1 else ''} of other networks or settings." if others else ""


def _bars(points: pd.DataFrame) -> str:
    """What the error bars are, as a sentence."""
    tests, what = points[points["test_perturbation"] != NATURAL], ""
    if "blur_channels" in set(tests["test_perturbation"]):
        what = "blur_channels blurs across the colour channels too, as the published code does. "
    seeds, trials = _counted(points["seeds"], "seed"), _counted((tests if len(tests) else points)["trials"], "trial")
    if points["std"].isna().all():
        return f"{what}No error bars: {trials} of {seeds} at each point."
    without = " Natural images and single trials have none." if points["std"].isna().any() else ""
    return f"{what}Points are means, bars standard deviations over {trials} of {seeds}.{without}"


def _counted(numbers: pd.Series, word: str) -> str:
    low, high = numbers.min(), numbers.max()
    return f"{low if low == high else f'{low} to {high}'} {word}{'s' if high > 1 else ''}"


def _draw(panels: Sequence[_Panel], labels: Mapping[str, int]) -> Figure:
    """Panels in a column for each data set, one range of accuracies in each; `labels` fix the order of the colours."""
    data = list(dict.fromkeys(panel.data for panel in panels))
    height = 1 + max(panel.row for panel in panels)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(data), 2.2 * height + 0.6), layout="constrained")
        axes = figure.subplots(height, len(data), squeeze=False)
        for axis in axes.flatten():
            axis.set_visible(False)
        for place, panel in enumerate(panels):
            axis = axes[panel.row, data.index(panel.data)]
            _draw_panel(axis, panel, labels)
            name = DATA_TITLES.get(panel.data, panel.data)
            letter = f"({chr(ord('a') + place)}) " if len(panels) > 1 else ""
            axis.set_title(letter + ", ".join(filter(None, [name, panel.title])), fontsize=9)
            axis.set_ylim(*_accuracy_range([other for other in panels if other.data == panel.data]))
            if panel.data == next(other.data for other in panels if other.row == panel.row):
                axis.set_ylabel("test accuracy, %")
        found = (axis.get_legend_handles_labels() for axis in axes.flatten())
        entries = {label: handle for one in found for handle, label in zip(*one, strict=True)}
        entries = dict(sorted(entries.items(), key=lambda entry: (*labels, entry[0]).index(entry[0])))
        columns = 2 if len(data) == 1 else 4 if len(entries) <= 4 else 3
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw_panel(axis: Axes, panel: _Panel, labels: Mapping[str, int]) -> None:
    axis.set_visible(True)
    for label, (level, dashes) in panel.levels.items():
        axis.axhline(100 * level, color="0.45", linestyle=dashes, linewidth=1, label=label, zorder=1)
    for label, line in panel.lines.items():
        place = labels.get(label)
        style = _GREY if place is None else {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": "-"}
        sizes: Any = {"markersize": 4, "capsize": 2, "linewidth": 1.2}
        axis.errorbar(line[panel.x], 100 * line["mean"], yerr=100 * line["std"], label=label, **style, **sizes)
    axis.set_xlabel(panel.unit)
    axis.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer="faulty" in panel.unit, min_n_ticks=1))
    axis.grid(axis="y", color="0.9", linewidth=0.6)


def _accuracy_range(panels: Sequence[_Panel]) -> tuple[float, float]:
    """From below the lowest bar to above the highest, in percent; two points at least, so that chance stays small."""
    points = pd.concat([line for panel in panels for line in panel.lines.values()])
    bars = points["std"].fillna(0)
    levels = [level for panel in panels for level, _ in panel.levels.values()]
    low, high = (100 * min([*(points["mean"] - bars), *levels]), 100 * max([*(points["mean"] + bars), *levels]))
    margin = max(0.05 * (high - low), (2 - (high - low)) / 2)
    return low - margin, high + margin
