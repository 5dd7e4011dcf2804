"""Learning curves: how the accuracy on training and on validation images went, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.report.figures import COLOURS, STYLE, Drawing, legend_below
from robust.report.section import Section
from robust.runs import RunFolder

_MOST = 12  # kinds of runs that are shown
_COLUMNS = 3  # panels side by side
_LINES = {  # of the curves of a run
    "train_accuracy": ("training images", {"color": "0.5", "linestyle": "--"}),
    "val_accuracy": ("validation images", {"color": COLOURS[0]}),
    "val_perturbed_accuracy": ("perturbed validation images", {"color": COLOURS[1]}),
}


def learning_section(folders: Sequence[Path], titles: pd.Series) -> Section:
    """The curves of runs that had validation images, of the first few titles; `titles` are those of the runs, by the
    names of their folders."""
    curves, validated = [], dict[str, bool]()  # runs of one title had such images or had none
    for folder in folders:
        title = titles.get(folder.name)
        if title is None or not validated.get(title, sum(validated.values()) < _MOST):
            continue
        found = RunFolder(folder).read_metrics()
        if validated.setdefault(title, found is not None and "val_accuracy" in found) and found is not None:
            numbers = found.reindex(columns=["epoch", *_LINES]).apply(pd.to_numeric, errors="coerce")
            curves.append(numbers.assign(run=folder.name, title=title))
    if not curves:
        return Section("")
    curve = pd.concat(curves, ignore_index=True)
    caption = (
        "Accuracy after each epoch, a line for each run: on training images as they were shown, and on validation "
        "images, which were not trained on, natural and perturbed as in the training."
    )
    return Section("Learning curves", "", {"learning": Drawing(_figure(curve), caption, curve)})


def _figure(curve: pd.DataFrame) -> Figure:
    titles = curve["title"].unique()
    columns = min(_COLUMNS, len(titles))
    height = -(-len(titles) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * columns, 2.6 * height + 0.5), layout="constrained")
        axes = figure.subplots(height, columns, squeeze=False, sharey=True).flatten()
        for title, axis in zip(titles, axes, strict=False):
            for _, run in curve[curve["title"] == title].groupby("run", sort=False):
                for name, (label, style) in _LINES.items():
                    if run[name].notna().any():
                        axis.plot(run["epoch"] + 1, 100 * run[name], label=label, linewidth=1.2, **style)
            axis.set_title(title)
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axis.grid(axis="y", color="0.9", linewidth=0.6)
        for axis in axes[len(titles) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("accuracy, %")
        legend_below(figure, columns=3)
    return figure
