"""Results as pictures."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.measure import NATURAL, Samples, condition_title, unit_of
from robust.measure.exposure import FAMILY, SEEN, knows_exposure
from robust.measure.suites import LESS_IS_WORSE
from robust.report.lettering import legend_label, legible, tick_text

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
#: classes of a matrix, for a number in each cell to be read
MOST_NUMBERS = 12
_MOST_MARKS = 2000  # of a drawing of lines
_LABEL = 42  # characters below a panel
_MANY = 12  # panels of a figure
_TICKS = 3  # of an axis of levels that are multiples of one another
_WHOLE = ("faulty pixels", "severity")  # units that are counted
_PER_INCH, _HANDLE = 13, 8  # characters of a legend: that fit into an inch, and that a line's sign takes
#: how much of a mark is filled where the training contained what is tested, or one of its family
_FILLS = {SEEN: "none", FAMILY: "left"}
_HOLLOW = " Hollow marks: seen in training; half of them filled: one of its family was."
_QUALITY = 60  # of pictures, from 0 to 100
_DPI = {"webp": 120}  # dots to an inch: those of a page, where others are for print
_SHORT = 12  # of a class's name that fits above an image


@dataclass(frozen=True)
class Drawing:
    """A figure, what it shows in a sentence or two, and the numbers it was drawn from."""

    figure: Figure
    caption: str
    numbers: pd.DataFrame

    def png(self) -> bytes:
        """The figure as a PNG."""
        return draw(self.figure, "png")


def show_image(axis: Axes, image: np.ndarray, title: str = "") -> None:
    """An image, shape (channels, height, width) with values in [0, 1], without a frame."""
    pixels = image.transpose(1, 2, 0)
    axis.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=7)
    bare(axis)


def heat_map(
    axis: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    colours: str,
    scale: Normalize,
    text: np.ndarray | None = None,
) -> None:
    """A matrix in colours, grey where it is NaN, with what is written in each cell, if anything, and the names along
    its sides, if there are any."""
    palette = matplotlib.colormaps[colours].with_extremes(bad="0.85")
    axis.imshow(values, cmap=palette, norm=scale, interpolation="nearest", aspect="equal")
    written = np.full(values.shape, "") if text is None else text
    for row, column in np.argwhere(written != ""):
        brightness = np.dot(palette(scale(values[row, column]))[:3], (0.3, 0.59, 0.11))
        dark = np.isfinite(values[row, column]) and brightness < 0.5
        style: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": "white" if dark else "black"}
        axis.text(column, row, str(written[row, column]), in_layout=False, **style)  # it lies within: half the time
    bare(axis)
    size = 8 if text is not None else 6
    turned = 90 if max(map(len, columns), default=0) > 2 else 0
    axis.set_xticks(range(len(columns)), **tick_text(columns), fontsize=size, rotation=turned)
    axis.set_yticks(range(len(rows)), **tick_text(rows), fontsize=size)
    axis.tick_params(length=0, pad=2)


def bare(axis: Axes) -> None:
    """Takes away ticks and frame."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)


def accuracy_figure(lines: pd.DataFrame) -> Drawing:
    """Accuracy against level, a panel for each test perturbation, a line for each kind of run; the natural model in
    grey. `lines` as `over_seeds` makes them."""
    names = [name for name in lines["test_perturbation"].unique() if name != NATURAL]
    wide = len(names) > _MANY  # more panels in a row, and smaller ones
    columns = min(5 if wide else 3, max(1, len(names)))
    height = -(-max(1, len(names)) // columns)
    size = (2.3 * columns, 2.1 * height + 0.5) if wide else (3.4 * columns, 2.9 * height + 0.5)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(height, columns, squeeze=False, sharey=True).flatten()
        styles = line_styles(lines)
        for name, axis in zip(names, axes, strict=False):
            _draw_panel(axis, lines, name, styles, label=_LABEL * 3 // 5 if wide else _LABEL)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("test accuracy, %")
        legend_below(figure, columns=4)
    caption = (
        "Test accuracy against the level of each test perturbation. Bars: 95 % intervals, over images (Wilson) for "
        "one seed, over seeds (Student) for several."
    ) + _HOLLOW * knows_exposure(lines)
    return Drawing(figure, caption, lines)


def legend_below(figure: Figure, *, columns: int, **options: Any) -> None:
    """One legend for all panels, below them, in at most so many columns: as many as fit."""
    found = (axis.get_legend_handles_labels() for axis in figure.axes)
    entries = {label: handle for one in found for handle, label in zip(*one, strict=True)}
    width, longest = int(_PER_INCH * figure.get_figwidth()), max(map(len, entries), default=0)
    fitting = max(1, min(columns, width // (longest + _HANDLE)))
    names = [label if len(label) + _HANDLE <= width else textwrap.fill(label, width - _HANDLE) for label in entries]
    below: Any = {"loc": "outside lower center", "ncols": fitting, "frameon": False}
    figure.legend(entries.values(), names, **below, **options)


def line_styles(lines: pd.DataFrame) -> dict[str, Any]:
    """How to draw the line of each `title`, by its `technique`: natural models grey and dashed, the others each in its
    colour."""
    titles = lines.drop_duplicates("title").set_index("title")["technique"]
    styles = {}
    for place, title in enumerate(titles.index[titles == NATURAL]):
        grey = {"color": ("0.35", "0.65")[place % 2], "marker": "x+"[place % 2], "linestyle": "--"}
        styles[title] = {**grey, "label": legend_label(title)}
    for place, title in enumerate(titles.index[titles != NATURAL]):
        turn, number = divmod(place, len(COLOURS))  # after all colours once, again with the next markers and dots
        marker = MARKERS[(number + turn) % len(MARKERS)]
        style = {"color": COLOURS[number], "marker": marker, "linestyle": ("-", ":", "-.")[turn % 3]}
        styles[title] = {**style, "label": legend_label(title)}
    return styles


def _draw_panel(axis: Axes, lines: pd.DataFrame, name: str, styles: dict[str, Any], *, label: int) -> None:
    of_camera, less = "@" in name, name.partition("@")[0] in LESS_IS_WORSE
    for title in lines.loc[lines["test_perturbation"] == name, "title"].unique():
        shown = [name] if less else [name, NATURAL]  # where less is worse, 0 is not what natural images have
        points = lines[(lines["title"] == title) & lines["test_perturbation"].isin(shown)]
        points = points.sort_values("test_level")
        errors = 100 * np.stack([points["mean"] - points["low"], points["high"] - points["mean"]]).clip(0)
        filled = _FILLS.get(points["exposure"].max() if "exposure" in points else "", "full")
        sizes: Any = {"markersize": 4, "capsize": 2, "linewidth": 1.2, "fillstyle": filled}
        axis.errorbar(points["test_level"], 100 * points["mean"], yerr=errors, **styles[title], **sizes)
    axis.set_title(name)
    axis.set_xlabel(textwrap.fill((unit_of(name) or "level") + ("" if less else " (0: natural images)"), label))
    if of_camera:  # whose levels are multiples of one another
        levels = sorted(lines.loc[lines["test_perturbation"] == name, "test_level"].unique())
        axis.set_xscale("log" if less else "symlog", **({} if less else {"linthresh": levels[0]}))
        axis.set_xticks(ticks := levels[:: -(-len(levels) // _TICKS)], [f"{one:g}" for one in ticks])
        axis.minorticks_off()
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=unit_of(name) in _WHOLE))
    axis.set_ylim(0, 102)
    axis.grid(axis="y", color="0.9", linewidth=0.6)


def samples_figure(samples: Samples, title: str) -> Drawing:
    """The same images under each condition, a row each, their true classes above all; above each the predicted class,
    bold where wrong."""
    rows, columns = samples.predicted.shape
    height, width = samples.images.shape[-2:]
    cell_height, cell_width = round(1.4 * height), round(1.15 * width)
    above = cell_height - height  # for a line of names
    sheet = np.full((above + rows * cell_height, columns * cell_width, 3), 255, dtype=np.uint8)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.95 * columns + 1.1, 1.15 * rows + 0.7), layout="constrained")
        axis = figure.subplots()
        for row, column in np.ndindex(rows, columns):
            top, left = above + (row + 1) * cell_height - height, column * cell_width
            image = samples.images[row, column].transpose(1, 2, 0)
            sheet[top : top + height, left : left + width] = image  # grey ones in all three colours
            label, predicted = samples.labels[column], samples.predicted[row, column]
            right: Any = {"color": "0.35"} if predicted == label else {"color": COLOURS[1], "weight": "bold"}
            _write_class(axis, (left + width / 2, top - 1), str(samples.classes[predicted]), **right)
            if row == 0:
                _write_class(axis, (left + width / 2, above - 1), str(samples.classes[label]), color="black")
        axis.text(-0.15 * width, above - 1, "true class", ha="right", va="bottom")
        for row in range(rows):
            name = condition_title(str(samples.names[row]), float(samples.levels[row]))
            name = name.replace("_", " ").replace(" ", "\n")
            axis.text(-0.15 * width, above + (row + 1) * cell_height - height / 2, name, ha="right", va="center")
        axis.imshow(sheet, interpolation="none")  # in SVG and PDF pixel by pixel
        axis.axis("off")
        figure.suptitle(title, x=0.02, ha="left")
    names = [(name, level) for name, level in zip(samples.names, samples.levels, strict=True) for _ in range(columns)]
    predictions = pd.DataFrame(names, columns=["test_perturbation", "test_level"])
    predictions["label"] = np.tile(np.take(samples.classes, samples.labels), rows)
    predictions["predicted"] = np.take(samples.classes, samples.predicted).ravel()
    caption = f"The true classes above all, the predicted class above each image, bold where it is wrong ({title})."
    return Drawing(figure, caption, predictions)


def _write_class(axis: Axes, place: tuple[float, float], name: str, **style: Any) -> None:
    """A class's name above an image, small where it is long."""
    axis.text(*place, name, ha="center", fontsize=8 if len(name) <= _SHORT else 6, in_layout=False, **style)


def usual_format(figure: Figure) -> str:
    """svg for lines; webp for pictures, and for more marks than are worth drawing one by one."""
    marks = sum(len(np.asarray(one.get_offsets())) for axis in figure.axes for one in axis.collections)
    return "webp" if marks > _MOST_MARKS or any(axis.images for axis in figure.axes) else "svg"


def draw(figure: Figure, suffix: str) -> bytes:
    """The figure as a file of this kind (svg, webp, png, pdf), to the byte the same for the same figure. It is laid out
    the first time."""
    buffer = io.BytesIO()
    dates = {"svg": "Date", "pdf": "CreationDate"}
    with matplotlib.rc_context(STYLE), legible(figure):
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # else matplotlib draws everything twice
        others: dict[str, Any] = {"metadata": {dates[suffix]: None}} if suffix in dates else {}
        if suffix == "webp":
            others["pil_kwargs"] = {"quality": _QUALITY}
        figure.savefig(buffer, format=suffix, dpi=_DPI.get(suffix, 150), **others)
    return buffer.getvalue()
