"""The figures of self-supervised pretraining."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.data import one_of_each, to_float
from robust.experiment.build import build, build_perturbation, build_splits
from robust.experiment.compose import compose
from robust.measure import NATURAL, Condition, features
from robust.perturb import ImageRandom, key
from robust.report.figures import COLOURS, MARKERS, STYLE, Drawing, bare, legend_below, show_image
from robust.runs import Config, RunFolder, load
from robust.studies.pretraining.tables import PretrainingRun

_COLUMNS = 8  # images that a task shows
_POINTS = 600  # images of a map
_FEW = 10  # classes that a legend names
_BESIDE = 1.06  # times the share of labels
_MAPS = 4  # beside one another


def tasks_figure(configs: Mapping[str, Config]) -> Drawing:
    """What networks are shown, a task, by its title, a row."""
    lines = {title: _shown(config) for title, config in configs.items()}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_COLUMNS * 0.95 + 1, 1.15 * len(lines) + 0.3), layout="constrained")
        axes = figure.subplots(len(lines), _COLUMNS, squeeze=False)
        for line, (name, pictures) in zip(axes, lines.items(), strict=True):
            for axis in line:
                bare(axis)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
            for axis, (title, image) in zip(line, pictures, strict=False):
                show_image(axis, image, title)
    numbers = pd.DataFrame([{"task": name, "shown": title} for name, shown in lines.items() for title, _ in shown])
    tasks = {config.task.name: _CAPTIONS.get(config.task.name, config.task.name) for config in configs.values()}
    caption = f"What the tasks show: {', '.join(tasks.values())}."
    return Drawing(figure, caption, numbers)


_CAPTIONS = {
    "rotation": "rotated pictures",
    "patches": "the middle patch and one beside it",
    "simclr": "two views of each picture",
}


def _shown(config: Config) -> list[tuple[str, np.ndarray]]:
    """Some pictures of a task, with their answers."""
    task = config.task
    if task.get("images") is not None:
        test = build_splits(config.data, images=task.images).test
        rows = one_of_each(test, _COLUMNS)
        if len(rows) < _COLUMNS:  # some of each
            rows = torch.cat([(test.labels == label).nonzero()[:2, 0] for label in test.labels.unique()])
        return [(test.classes[int(test.labels[row])], to_float(test.images[int(row)]).numpy()) for row in rows]
    test, views = build_splits(config.data).test, build(task.module.views)
    rows = one_of_each(test, _COLUMNS // 2)
    both = [
        views.perturb(to_float(test.images[rows]), ImageRandom(key("view", config.seed, 0, which), rows))
        for which in range(2)
    ]
    pairs = zip(*both, strict=True)
    return [(f"{place + 1}", image.numpy()) for place, pair in enumerate(pairs) for image in pair]


def curves_figure(runs: Sequence[PretrainingRun]) -> Drawing:
    """k-NN accuracy against the epoch, a line for each run, from the untrained trunk on."""
    tasks, seen = list(dict.fromkeys(run.title for run in runs)), set()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5, 3), layout="constrained")
        axis = figure.subplots()
        for run in runs:
            style: Any = {"color": COLOURS[tasks.index(run.title) % len(COLOURS)], "linewidth": 1.2}
            label = None if run.title in seen else run.title
            seen.add(run.title)
            epochs = [0, *(run.curve["epoch"] + 1)]
            accuracies = 100 * np.array([run.curve["knn_untrained"].iloc[-1], *run.curve["knn_accuracy"]])
            axis.plot(epochs, accuracies, label=label, marker="o", markersize=3, **style)
        axis.set(xlabel="epochs of pretraining", ylabel="k-NN accuracy, %")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(frameon=False)
    caption = (
        "k-NN accuracy of the features during self-supervised pretraining. Epoch 0: the untrained trunk. A curve is of "
        "few images, the table of all."
    )
    numbers = pd.concat([run.curve.assign(task=run.title, seed=int(run.config.seed)) for run in runs])
    return Drawing(figure, caption, numbers[["task", "seed", "epoch", "knn_accuracy", "knn_untrained"]])


def labels_figure(table: pd.DataFrame) -> Drawing:
    """Accuracy against the share of labels, a panel for natural images, perturbed ones and each attack, a line for each
    way of training, in the colour of its task; `table` as `downstream_table` makes it."""
    figures = [name.removesuffix("_won") for name in table if name.endswith("_won")]
    figures = [name for name in figures if table[name].notna().any()]
    ways = list(dict.fromkeys(table["trained"]))
    techniques, tasks = (list(dict.fromkeys(way.partition(" ")[part] for way in ways)) for part in (0, 2))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(figures), 3.4), layout="constrained")
        axes = figure.subplots(1, len(figures), squeeze=False)[0]
        for axis, name in zip(axes, figures, strict=True):
            for place, way in enumerate(ways):
                mine = table[table["trained"] == way].sort_values("labels")
                technique, _, task = way.partition(" ")
                marker = MARKERS[techniques.index(technique) % len(MARKERS)]
                style: Any = {"color": COLOURS[tasks.index(task) % len(COLOURS)], "marker": marker, "linestyle": "-"}
                if mine["anew"].all():
                    style |= {"color": "0.35", "marker": "x", "linestyle": "--"}
                errors = 100 * (mine[[f"{name}_low", f"{name}_high"]].to_numpy() - mine[[name]].to_numpy())
                bars = None if np.isnan(errors).all() else np.abs(np.nan_to_num(errors.T))  # none of a single seed
                beside = 100 * mine["labels"] * _BESIDE ** (place - (len(ways) - 1) / 2)  # so that bars do not meet
                axis.errorbar(beside, 100 * mine[name], yerr=bars, label=way, markersize=4, capsize=2, **style)
            axis.set_xscale("log")
            shares = sorted(table["labels"].unique())
            axis.set_xticks([100 * share for share in shares], [f"{100 * share:g}" for share in shares])
            axis.minorticks_off()
            axis.set(title=name, xlabel="labels, %", ylabel="accuracy, %")
        legend_below(figure, columns=4)
    caption = "Accuracy against the share of labels; bars: 95 % intervals over seeds. Grey: from the start."
    return Drawing(figure, caption, table)


def features_figure(models: Mapping[str, Path], labels: float) -> Drawing:
    """A map of what networks make of natural and perturbed images: t-SNE (van der Maaten and Hinton 2008) of the
    features of test images, by class. `models` are runs' folders, by what they are called; `labels` is the share of
    labels that they had."""
    from sklearn.manifold import TSNE

    config = RunFolder(next(iter(models.values()))).read_config()
    test = build_splits(config.data).test
    rows = torch.arange(len(test))[:: max(1, len(test) // _POINTS)]
    environment = build_perturbation(compose(["perturb=environment"]).perturb)
    natural = to_float(test.images[rows])
    shown = {
        NATURAL: natural,
        "environment": Condition(environment).view(natural, test.places[rows], seed=config.evaluation.seed, trial=0),
    }
    points = []
    for name, folder in models.items():
        model = load(folder)
        found = torch.cat([features(model, images) for images in shown.values()]).numpy()
        spread = np.ptp(found, axis=0)
        perplexity = min(30, (len(found) - 1) / 3)
        flat = TSNE(init="pca", random_state=0, perplexity=perplexity).fit_transform(found[:, spread > 0])
        for number, kind in enumerate(shown):
            x, y = flat[number * len(rows) : (number + 1) * len(rows)].T
            about = {"network": name, "images": kind, "image": rows, "label": test.labels[rows]}
            points.append(pd.DataFrame({**about, "x": x, "y": y}))
    numbers = pd.concat(points, ignore_index=True)
    caption = (
        f"Maps of the features of test images (t-SNE, one map for both kinds of images) of networks that had "
        f"{100 * labels:g} % of the labels: those near one another look alike to the network. Axes mean nothing."
    )
    return Drawing(_draw_maps(numbers, test.classes, list(models), list(shown)), caption, numbers)


def _draw_maps(numbers: pd.DataFrame, classes: Sequence[str], networks: Sequence[str], kinds: Sequence[str]) -> Figure:
    colours = matplotlib.colormaps["tab20" if len(classes) > _FEW else "tab10"]
    with matplotlib.rc_context(STYLE):
        columns = min(_MAPS, len(networks))
        height = -(-len(networks) // columns) * len(kinds)
        figure = Figure(figsize=(2.3 * columns, 2.3 * height + 0.6), layout="constrained")
        axes = figure.subplots(height, columns, squeeze=False)
        for axis in axes.flatten():
            axis.axis("off")
        for place, name in enumerate(networks):
            row, column = divmod(place, columns)
            for axis, kind in zip(axes[row * len(kinds) :, column], kinds, strict=False):
                mine = numbers[(numbers["network"] == name) & (numbers["images"] == kind)]
                for label in sorted(mine["label"].unique()):
                    own = mine[mine["label"] == label]
                    axis.scatter(own["x"], own["y"], s=4, color=colours(label % colours.N), label=classes[label])
                axis.axis("on")
                bare(axis)
                axis.set_title(f"{name}, {kind}", fontsize=8)
        if len(classes) <= _FEW:
            legend_below(figure, columns=5, markerscale=3)
    return figure
