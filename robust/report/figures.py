"""Results as pictures."""

import io
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.measure import NATURAL, Samples, condition_title

#: Okabe and Ito's colours, told apart by the colour-blind
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = "osD^vP*"
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "robust",
    "text.parse_math": False,
}
UNITS = {
    "noise": "standard deviation",
    "blur": "sigma, pixels",
    "blur_channels": "sigma, pixels",
    **{
        f"{fault}{kind}": "faulty pixels" for fault in ("stuck", "hot", "dead", "pixel") for kind in ("", "_persistent")
    },
}
_MOST_LINES = 12  # that one can tell apart; of more, each technique has a colour


@dataclass(frozen=True)
class Drawing:
    """A figure, what it shows in a sentence or two, and the numbers it was drawn from."""

    figure: Figure
    caption: str
    numbers: pd.DataFrame


def accuracy_figure(lines: pd.DataFrame) -> Figure:
    """Accuracy against level, a panel for each test perturbation, a line for each kind of run; the natural model in
    grey.

    `lines` as `over_seeds` makes them; bars show their 95 % intervals.
    """
    names = [name for name in lines["test_perturbation"].unique() if name != NATURAL]
    columns = min(3, max(1, len(names)))
    height = -(-max(1, len(names)) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * columns, 2.9 * height + 0.5), layout="constrained")
        axes = figure.subplots(height, columns, squeeze=False, sharey=True).flatten()
        styles = _line_styles(lines)
        for name, axis in zip(names, axes, strict=False):
            _draw_panel(axis, lines, name, styles)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("test accuracy, %")
        handles = {
            label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _line_styles(lines: pd.DataFrame) -> dict[str, Any]:
    """How to draw the line of each title: natural models grey and dashed, the others each in its colour.

    Where there are too many, each technique has a colour and an entry in the legend, instead of each title.
    """
    titles = lines.drop_duplicates("title").set_index("title")["technique"]
    trained = titles[titles != NATURAL]
    groups = trained if len(trained) > _MOST_LINES else pd.Series(trained.index, trained.index)
    order = list(groups.unique())
    styles = {}
    for place, title in enumerate(titles.index[titles == NATURAL]):
        styles[title] = {
            "color": ("0.35", "0.65")[place % 2],
            "marker": "x+"[place % 2],
            "linestyle": "--",
            "label": title,
        }
    for title, group in groups.items():
        place = order.index(group)
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        styles[title] = {"color": colour, "marker": marker, "linestyle": "-", "label": group}
    return styles


def _draw_panel(axis: Axes, lines: pd.DataFrame, name: str, styles: dict[str, Any]) -> None:
    for title in lines.loc[lines["test_perturbation"] == name, "title"].unique():
        points = lines[(lines["title"] == title) & lines["test_perturbation"].isin([name, NATURAL])]
        points = points.sort_values("test_level")
        errors = 100 * np.stack([points["mean"] - points["low"], points["high"] - points["mean"]]).clip(0)
        sizes: Any = {"markersize": 4, "capsize": 2, "linewidth": 1.2}
        axis.errorbar(points["test_level"], 100 * points["mean"], yerr=errors, **styles[title], **sizes)
    axis.set_title(name)
    axis.set_xlabel(UNITS.get(name, "level") + " (0: natural images)")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=UNITS.get(name) == "faulty pixels"))
    axis.set_ylim(0, 102)
    axis.grid(axis="y", color="0.9", linewidth=0.6)


def samples_figure(samples: Samples, title: str) -> Figure:
    """The same images under each condition, a row each; above each what the model takes it for, bold where wrong."""
    rows, columns = samples.predicted.shape
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.95 * columns + 1.1, 1.12 * rows + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for row in range(rows):
            for column in range(columns):
                _draw_image(axes[row, column], samples, row, column)
            label = condition_title(str(samples.names[row]), float(samples.levels[row]))
            axes[row, 0].set_ylabel(label.replace(" ", "\n"), rotation=0, ha="right", va="center")
        figure.suptitle(title, x=0.02, ha="left")
    return figure


def _draw_image(axis: Axes, samples: Samples, row: int, column: int) -> None:
    image = samples.images[row, column].transpose(1, 2, 0)
    axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    right = samples.predicted[row, column] == samples.labels[column]
    axis.set_title(
        str(samples.classes[samples.predicted[row, column]]),
        fontsize=8,
        pad=2,
        color="0.35" if right else COLOURS[1],
        weight="normal" if right else "bold",
    )
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)


def svg(figure: Figure) -> bytes:
    """The figure as an SVG, to the byte the same for the same figure."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
