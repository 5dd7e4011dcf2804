"""A mind's eye in pictures."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from robust.errors import require
from robust.report.figures import COLOURS, STYLE, Drawing
from robust.report.lettering import tick_text
from robust.runs import load
from robust.studies.minds_eye.networks import AlexNetWithPose, TripleStaged
from robust.studies.minds_eye.results import Network, pose_errors, predictions
from robust.studies.minds_eye.scenes import over

_WHISKERS = (2, 98)  # percentiles, as published
_STRIP = 8


def error_figure(network: Network, others: pd.DataFrame) -> Drawing:
    """The error against the threshold, of what kind it is, and the errors of networks without one (`others`: network,
    error)."""
    assert network.stages is not None
    label, none = network.stages["label"].to_numpy(), len(network.classes) - 1
    lines = []
    for threshold in np.linspace(0.01, 0.99, 99):
        found = predictions(network, threshold)
        lines.append(
            {
                "threshold": threshold,
                "all errors": (found != label).mean(),
                "an object missed": ((found == none) & (label != none)).mean(),
                "taken for another object": ((found != label) & (found != none) & (label != none)).mean(),
                "an object seen where there is none": ((found != none) & (label == none)).mean(),
            }
        )
    numbers = pd.DataFrame(lines)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6, 4.2), layout="constrained")
        axis = figure.subplots()
        for place, name in enumerate(numbers.columns[1:]):
            width = 2.0 if place == 0 else 1.2
            axis.plot(numbers["threshold"], 100 * numbers[name], color=COLOURS[place], linewidth=width, label=name)
        for place, other in enumerate(others.itertuples()):
            axis.axhline(100 * other.error, color="0.4", linestyle=("--", ":", "-.")[place % 3], label=other.network)
        axis.set_yscale("symlog", linthresh=1)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_ylim(0, 100)
        axis.set_xlabel("threshold")
        axis.set_ylabel("of the test images, %")
        axis.grid(axis="y", color="0.9", linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return Drawing(figure, f"Errors of the {network.title} network against its threshold.", numbers)


def effort_figure(attacks: pd.DataFrame, aim: str) -> Drawing:
    """How many steps it took to change the prediction and how far the image moved: a box for each network."""
    shown = attacks[(attacks["aim"] == aim) & attacks["right"]]
    names = list(dict.fromkeys(shown["network"]))
    steps = int(shown["max_steps"].max())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 0.42 * len(names) + 1.1), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for axis, column, label in zip(
            axes, ("steps", "distortion"), (f"steps (at most {steps:,})", "distortion"), strict=True
        ):
            _boxes(axis, [shown.loc[shown["network"] == name, column].to_numpy() for name in names])
            axis.set_xlabel(label)
        axes[0].set_yticks(range(1, len(names) + 1), **tick_text(names))
        axes[0].invert_yaxis()
    failed = 100 * (1 - shown["success"].groupby(shown["network"], sort=False).mean())
    rest = ", ".join(f"{name} {value:.1f} %" for name, value in failed.items() if value)
    caption = (
        f"{aim.capitalize()}s: the effort until the prediction changed. Boxes: quartiles; whiskers: 2nd and 98th "
        "percentile."
        + (f" Not changed within {steps:,} steps, and counted as they stood then: {rest}." if rest else "")
    )
    return Drawing(figure, caption, shown[["network", "image", "label", "target", "success", "steps", "distortion"]])


def _boxes(axis: Axes, groups: Sequence[np.ndarray]) -> None:
    boxes = axis.boxplot(
        list(groups), orientation="horizontal", whis=_WHISKERS, showfliers=False, widths=0.6, patch_artist=True
    )
    for place, box in enumerate(boxes["boxes"]):
        box.set(facecolor=COLOURS[place % len(COLOURS)], alpha=0.55)
    for line in boxes["medians"]:
        line.set(color="black")
    axis.set_xlim(left=0)
    axis.grid(axis="x", color="0.9", linewidth=0.6)


def strip_figure(network: Network, threshold: float, target: int) -> Drawing | None:
    """Images before and after they were made to be taken for the object `target`, ordered by their distortion; below,
    the first with that object drawn in the pose that the network then sees, where it sees one."""
    attacks = network.attacks
    same = attacks["threshold"].isna() if np.isnan(threshold) else attacks["threshold"] == threshold
    chosen = attacks[same & attacks["right"] & attacks["success"] & (attacks["target"] == target)]
    chosen = chosen[chosen["adversarial"].notna()].sort_values("distortion")
    if chosen.empty:
        return None
    chosen = chosen.iloc[np.linspace(0, len(chosen) - 1, min(_STRIP, len(chosen))).round().astype(int)]
    before, after = (_images(chosen[name]) for name in ("original", "adversarial"))
    rows = [before[:, 0], after[:, 0]]
    if (drawn := _redrawn(network, before, after, target)) is not None:
        rows.append(drawn)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.95 * len(chosen), 0.95 * len(rows) + 0.55), layout="constrained")
        axes = figure.subplots(len(rows), len(chosen), squeeze=False)
        for line, images in zip(axes, rows, strict=True):
            for axis, image in zip(line, images, strict=True):
                axis.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255)
                axis.axis("off")
        for axis, row in zip(axes[0], chosen.itertuples(), strict=True):
            axis.set_title(f"d={row.distortion:.3f}\nn={row.steps}", fontsize=7)
    name = network.classes[target]
    last = "the first with the object drawn in the pose that is seen" if len(rows) == 3 else ""
    caption = (
        f"{titled_rows(network, threshold)}: above the original, below what is taken for {name}; d: distortion, n: "
        "steps." + (f" Last row: {last}." if last else "")
    )
    return Drawing(figure, caption, chosen[["image", "label", "target", "threshold", "distortion", "steps"]])


def titled_rows(network: Network, threshold: float) -> str:
    """The network and its threshold, in a sentence."""
    return f"The {network.title} network" + ("" if np.isnan(threshold) else f" at threshold {threshold:g}")


def _images(content: pd.Series) -> Tensor:
    """Images kept as bytes: uint8 of shape (n, 1, size, size)."""
    arrays = [np.frombuffer(one, dtype=np.uint8) for one in content]
    side = round(len(arrays[0]) ** 0.5)
    return torch.from_numpy(np.stack(arrays).reshape(len(arrays), 1, side, side).copy())


def _redrawn(network: Network, before: Tensor, after: Tensor, target: int) -> Tensor | None:
    model = load(network.folder)
    with torch.inference_mode():
        if isinstance(model, TripleStaged):
            parameters = model.look(after.float() / 255).parameters[:, target]
        elif isinstance(model, AlexNetWithPose):
            parameters = model.estimate(after.float() / 255)[1].clamp(0, 1)
        else:
            return None
    about = dict(network.config.data.objects[network.classes[target]])
    try:
        for module in ("trimesh", "embreex"):
            require(module, what="A rendered object", extra="scenes")
        from robust.studies.minds_eye.scenes.rendering import Camera, Renderer
        from robust.studies.minds_eye.scenes.shapes import read_shape

        camera = Camera(about.pop("distance", 3.0), about.pop("height", 0.0), size=before.shape[-1])
        renderer = Renderer(read_shape(**about), camera)
    except (OSError, ValueError):  # what draws it is not there, or the object's file is elsewhere by now
        return None
    drawn = []
    for image, row in zip(before[:, 0], parameters.tolist(), strict=True):
        drawing, alpha = renderer.draw(dict(zip(network.parameters, row, strict=True)))
        drawn.append(over(image, torch.from_numpy(drawing), torch.from_numpy(alpha)))
    return torch.stack(drawn)


def views_figure(network: Network) -> Drawing:
    """What the network saw in a few test images: for each and each class that was assumed, the drawing, its alpha, and
    the similarity map times the convoluted alpha, with the score."""
    views, objects = network.views, network.classes[:-1]
    rows, columns = len(views.queries), 1 + 3 * len(objects)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.75 * columns + 0.3, 0.8 * rows + 0.6), layout="constrained")
        axes = figure.subplots(rows, columns)
        for axis in axes.flat:
            axis.axis("off")
        for row, line in enumerate(axes):
            _show(line[0], views.queries[row], str(views.classes[views.labels[row]]))
            best = views.scores[row].argmax()
            for place in range(len(objects)):
                similar = views.similarities[row, place] / 255 * views.weights[row, place]
                _show(line[1 + 3 * place], views.drawings[row, place])
                _show(line[2 + 3 * place], views.alphas[row, place])
                score = f"{views.scores[row, place]:.2f}"
                _show(line[3 + 3 * place], similar, score, bold=place == best)
        for place, name in enumerate(objects):
            axes[0, 2 + 3 * place].annotate(
                f"as {name}", (0.5, 1.35), xycoords="axes fraction", ha="center", annotation_clip=False
            )
    table = pd.DataFrame(views.scores, columns=[f"score_{name}" for name in objects])
    table.insert(0, "label", np.take(views.classes, views.labels))
    caption = (
        "Left the query, its class above it. Then for each class that is assumed: the drawing, its alpha, and the "
        "normalised similarity map with its score, the best in bold."
    )
    return Drawing(figure, caption, table)


def _show(axis: Axes, image: np.ndarray, title: str = "", *, bold: bool = False) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=7, pad=2, weight="bold" if bold else "normal")


def pose_figure(network: Network) -> Drawing:
    """The mean absolute error of each parameter against its true value, a line for each class."""
    errors = pose_errors(network)
    names = network.parameters
    tables = []
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.7 * min(len(names), 3), 2.6 * -(-len(names) // 3) + 0.4), layout="constrained")
        axes = figure.subplots(-(-len(names) // 3), min(len(names), 3), squeeze=False, sharey=False).flatten()
        for axis, name in zip(axes, names, strict=False):
            mine = errors[errors["parameter"] == name]
            bins = pd.cut(mine["true"], np.linspace(mine["true"].min(), mine["true"].max(), 11), include_lowest=True)
            means = mine["error"].abs().groupby([mine["class"], bins], observed=True).mean()
            for place, (kind, line) in enumerate(means.groupby(level=0)):
                middle = [interval.mid for interval in line.index.get_level_values(1)]
                axis.plot(middle, line.to_numpy(), color=COLOURS[place], label=kind)
                tables.append(
                    pd.DataFrame({"parameter": name, "class": kind, "true": middle, "error": line.to_numpy()})
                )
            axis.set_xlabel(f"true {name}")
            axis.set_ylim(bottom=0)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        axes[0].set_ylabel("mean absolute error")
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    caption = "How far the estimated pose is off, given the true class, by the true pose; rad for angles."
    return Drawing(figure, caption, pd.concat(tables, ignore_index=True))
