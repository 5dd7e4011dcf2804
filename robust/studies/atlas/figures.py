"""The figures of the atlas."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from robust.measure import saliency_maps
from robust.report.attacks import succeeded
from robust.report.figures import COLOURS, MOST_NUMBERS, STYLE, Drawing, bare, heat_map, show_image
from robust.runs import RunFolder, load

_MOST_NAMES = 40  # classes that fit beside a matrix
_ENDS = 3  # classes at either end whose images are shown
_OF_EACH = 4  # images of each
_LOOKS = 4


def matrix_figure(matrix: np.ndarray, distortion: np.ndarray, classes: Sequence[str]) -> Drawing:
    """How often each class became each other, and how far its images moved for it."""
    side = max(3.4, 0.42 * len(classes)) if len(classes) <= _MOST_NAMES else 6
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2 * side + 2.2, side + 0.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        greatest = np.nanmax(1000 * distortion, initial=1e-3)
        _draw_matrix(left, 100 * matrix, classes, "Blues", 100, "attacks that succeeded, %")
        _draw_matrix(right, 1000 * distortion, classes, "Oranges", greatest, "their median distortion, thousandths")
    rows, columns = np.indices(matrix.shape)
    named = {"class": np.take(classes, rows.ravel()), "target": np.take(classes, columns.ravel())}
    numbers = pd.DataFrame({**named, "share": matrix.ravel(), "distortion": distortion.ravel()})
    caption = (
        "Of the images of each class (rows), the share that was turned into each other, and how far they moved for it "
        "(the root of the mean square of the change)."
    )
    return Drawing(figure, caption, numbers.dropna(subset="share"))


def _draw_matrix(axis: Axes, values: np.ndarray, classes: Sequence[str], colours: str, most: float, label: str) -> None:
    names = classes if len(classes) <= _MOST_NAMES else ()
    few = len(classes) <= MOST_NUMBERS
    text = np.vectorize(lambda value: f"{value:.0f}" if np.isfinite(value) else "")
    scale = Normalize(0, most)
    heat_map(axis, values, names, names, colours=colours, scale=scale, text=text(values) if few else None)
    axis.set(xlabel="made to be taken for", ylabel="class")
    axis.figure.colorbar(ScalarMappable(scale, colours), ax=axis, label=label, shrink=0.7)


def rates_figure(table: pd.DataFrame) -> Drawing:
    """How the two rates of the classes are spread, and one against the other."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.subplots(1, 3)
        for axis, name, colour in zip(axes, ("modification", "mimicked"), COLOURS, strict=False):
            axis.hist(100 * table[name], bins=np.linspace(0, 100, 21), color=colour, edgecolor="white")
            axis.axvline(100 * table[name].median(), color="0.3", linestyle="--", linewidth=1)
            axis.set(xlabel=f"{name} rate, %", ylabel="classes", xlim=(0, 100))
            axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        axis = axes[2]
        axis.scatter(100 * table["modification"], 100 * table["mimicked"], s=14, color=COLOURS[2])
        if len(table) <= _MOST_NAMES:
            for _, row in table.iterrows():
                place = 100 * row["modification"], 100 * row["mimicked"]
                axis.annotate(row["class"], place, xytext=(3, 2), textcoords="offset points", fontsize=7)
        axis.set(xlabel="modification rate, %", ylabel="mimicked rate, %")
        axis.margins(0.12)
        axis.set(xlim=(None, min(103, axis.get_xlim()[1])), ylim=(None, min(103, axis.get_ylim()[1])))
    caption = (
        "Modification rates, mimicked rates (dashed: their medians), and one against the other, a point for each class."
    )
    return Drawing(figure, caption, table[["class", "modification", "mimicked"]])


def by_hardness(table: pd.DataFrame) -> pd.DataFrame:
    """The classes from the hardest to modify to the easiest; of those with the same rate the one first whose images
    have to be moved further."""
    return table.sort_values(["modification", "distortion"], ascending=[True, False], kind="stable")


def gallery_figure(attacks: pd.DataFrame, table: pd.DataFrame, folder: Path) -> Drawing:
    """Images of the classes that are hardest and easiest to modify: before, after, and the difference, enlarged."""
    order = by_hardness(table).index
    ends = list(dict.fromkeys([*order[:_ENDS], *order[-_ENDS:]]))
    chosen = pd.concat([_shown(attacks[attacks["label"] == label], _OF_EACH) for label in ends])
    before, after = (_images(chosen[name], folder) for name in ("original", "adversarial"))
    change = after - before
    most = max(float(change.abs().max()) if len(change) else 1.0, 1 / 255)
    lines = [np.flatnonzero(chosen["label"] == label) for label in ends]
    names = table["class"]
    with matplotlib.rc_context(STYLE):
        size = (3 * _OF_EACH * 0.62 + 1.4, 0.85 * len(ends) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(ends), 3 * _OF_EACH, squeeze=False)
        for axis in axes.flat:
            bare(axis)
        for line, label, places in zip(axes, ends, lines, strict=True):
            rate = table.loc[label, "modification"]
            line[0].set_ylabel(f"{names[label]}\n{100 * rate:.0f} %", rotation=0, ha="right", va="center", fontsize=8)
            for column, place in enumerate(places):
                target = names[int(chosen.iloc[place]["target"])]
                show_image(line[3 * column], before[place].numpy())
                show_image(line[3 * column + 1], after[place].numpy(), f"> {target}")
                show_image(line[3 * column + 2], (change[place] / (2 * most) + 0.5).numpy())
    caption = (
        "The classes that are hardest and easiest to modify, with their modification rates: images before, after they "
        f"were taken for another class, and the difference, {0.5 / most:.0f} times as large about grey."
    )
    return Drawing(figure, caption, _numbers(chosen))


def looks_figure(attacks: pd.DataFrame, table: pd.DataFrame, folder: Path) -> Drawing:
    """Where the network looks before and after: what the class rests on that it sees."""
    order = by_hardness(table).index
    ends = [order[place] for place in np.linspace(0, len(order) - 1, min(_LOOKS, len(order))).round().astype(int)]
    chosen = pd.concat([_shown(attacks[attacks["label"] == label], 1) for label in ends])
    before, after = (_images(chosen[name], folder) for name in ("original", "adversarial"))
    model, names = load(folder), table["class"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 1.1 * len(chosen) + 0.4), layout="constrained")
        axes = figure.subplots(max(1, len(chosen)), 6, squeeze=False)
        for axis in axes.flat:
            bare(axis)
        for place, (line, row) in enumerate(zip(axes, chosen.itertuples(), strict=False)):
            pairs = ((before[place], int(row.label)), (after[place], int(row.target)))
            for half, (image, label) in enumerate(pairs):
                maps = saliency_maps(model, image, label)
                show_image(line[3 * half], image.numpy(), f"taken for {names[label]}")
                for column, name in enumerate(("saliency", "Grad-CAM"), 1):
                    if name in maps:
                        axis = line[3 * half + column]
                        axis.imshow(maps[name].numpy(), cmap="magma", vmin=0)
                        axis.set_title(name, fontsize=7)
    caption = (
        "Images before and after, and what the class rests on that the network sees in each: by pixel (saliency) and "
        "by place (Grad-CAM at the last layer that has places). Each map has its own scale."
    )
    return Drawing(figure, caption, _numbers(chosen))


def _shown(attacks: pd.DataFrame, count: int) -> pd.DataFrame:
    """Attacks that succeeded and whose images were kept: so many images, each led to another class."""
    kept = succeeded(attacks[attacks["original"].notna()])
    images = list(dict.fromkeys(kept["image"]))[:count]
    lines = [kept[kept["image"] == image] for image in images]
    return pd.concat([one.iloc[[place * len(one) // len(images)]] for place, one in enumerate(lines)] or [kept])


def _images(content: pd.Series, folder: Path) -> Tensor:
    """Images kept as bytes: float in [0, 1], shape (n, channels, height, width)."""
    samples = RunFolder(folder).read_samples()
    assert samples is not None
    shape = samples.images.shape[2:]
    arrays = [np.frombuffer(one, dtype=np.uint8).reshape(shape) for one in content]
    return torch.from_numpy(np.array(arrays).reshape(len(arrays), *shape)).float() / 255


def _numbers(chosen: pd.DataFrame) -> pd.DataFrame:
    return chosen[["image", "label", "target", "steps", "distortion", "linf"]].reset_index(drop=True)
