"""Which layers feel a perturbation, which to train against it, and where a network looks.

What Everaert, Thiel, Yannett ("Robust Computer Vision") chose by eye, from saliency maps and activations, is measured:
how far a perturbation moves a layer's output, and what was won by training that layer alone.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from scipy.stats import spearmanr
from torch import Tensor, nn

from robust.configuration import build_conditions, build_splits, model_name
from robust.data import Splits, to_float
from robust.measure import NATURAL, Condition, condition_title, layers, measure_layers
from robust.perturb import ImageRandom, key
from robust.report.figures import STYLE, Drawing
from robust.report.section import Section, Table
from robust.report.tables import percent
from robust.runs import load, read_rows

_MOVED = ["moved", "moved_overall"]
_PICTURES = 2  # images that are looked at, under each perturbation


def which_layers(folders: Sequence[Path], *, images: int = 200) -> tuple[Section, list[Path]]:
    """What there is to say of the natural networks among these runs, all of one model on one data set, and their
    folders.

    `images` are test images that are measured, under the conditions that the natural runs were tested under. Raises
    ValueError where there is no natural run, there are several kinds, or they were tested on natural images alone.
    """
    configs = {folder: _config(folder) for folder in folders}
    natural = [folder for folder in folders if configs[folder].technique.name == NATURAL]
    if not natural:
        raise ValueError("There is no natural run among these: it is their layers that are looked at.")
    kinds = {(configs[folder].data.name, model_name(configs[folder].model)) for folder in natural}
    if len(kinds) > 1:
        names = ", ".join(f"{model} on {data}" for data, model in sorted(kinds))
        raise ValueError(f"The natural runs must be of one model on one data set; got {names}.")
    config = configs[natural[0]]
    splits = build_splits(config.data)
    conditions = build_conditions(config.evaluation, splits.test.shape)
    if all(condition.perturbation is None for condition in conditions):
        raise ValueError(
            "The natural runs were tested on natural images alone. Test them under perturbations: evaluation=world."
        )
    moved = pd.concat([measure_layers(load(folder), splits.test, conditions, count=images) for folder in natural])
    table = layer_table(moved, gains(folders, configs))
    drawings = {"layers": movement_figure(table), "maps": maps_figure(load(natural[0]), splits, conditions)}
    note = (
        "Moved: how far the perturbation moves the layer's output, place by place and overall (of its mean over all "
        "places), as a share of its length, mean over images and seeds. Won: accuracy under the perturbation that "
        "training this layer alone brought, points."
    )
    shown = pd.DataFrame(
        {
            "perturbation": [condition_title(*pair) for pair in table[["test_perturbation", "test_level"]].values],
            "layer": table["layer"],
            "moved": [f"{value:.3f}" for value in table["moved"]],
            "overall": [f"{value:.3f}" for value in table["moved_overall"]],
            "rank": table["rank"],
            "won, points": [percent(value, sign=True) for value in table["won"]],
            "recommended": np.where(table["rank"] == 1, "yes", ""),
        }
    )
    return Section("Which layers?", recommendation(table), drawings, {"layers": Table(shown, table, note)}), natural


def _config(folder: Path) -> DictConfig:
    config = OmegaConf.load(folder / "config.yaml")
    assert isinstance(config, DictConfig)
    return config


def gains(folders: Sequence[Path], configs: dict[Path, DictConfig]) -> pd.DataFrame:
    """What training one layer alone won: test_perturbation, test_level, layer, won, a fraction, mean over runs.

    Of runs that started from a natural one and trained what one pattern, such as "layer4.*", names: their accuracy
    under what they were trained on, less that natural run's."""
    rows = {folder.name: read_rows(folder) for folder in folders}
    lines = []
    for folder in folders:
        trainable = configs[folder].technique.trainable
        if trainable is None or len(trainable) != 1:
            continue
        mine = rows[folder.name]
        before = rows.get(mine["reference"].iloc[0])
        own = (mine["test_perturbation"] == mine["train_perturbation"]) & (mine["test_level"] == mine["train_level"])
        if before is None or not own.any():
            continue
        test = mine[own].iloc[0][["test_perturbation", "test_level"]]
        same = (before["test_perturbation"] == test["test_perturbation"]) & (before["test_level"] == test["test_level"])
        if same.any():
            won = mine.loc[own, "accuracy"].mean() - before.loc[same, "accuracy"].mean()
            lines.append({**test.to_dict(), "layer": trainable[0].removesuffix(".*"), "won": won})
    columns = ["test_perturbation", "test_level", "layer"]
    return pd.DataFrame(lines, columns=[*columns, "won"]).groupby(columns, as_index=False)["won"].mean()


def layer_table(moved: pd.DataFrame, won: pd.DataFrame) -> pd.DataFrame:
    """A line for each perturbation and layer: test_perturbation, test_level, layer, place, moved and moved_overall
    (means over seeds), rank (1 is moved furthest overall) and won (NaN where nobody tried)."""
    by = ["test_perturbation", "test_level", "layer", "place"]
    table = moved.groupby(by, sort=False, as_index=False)[_MOVED].mean()
    condition = table.groupby(["test_perturbation", "test_level"], sort=False)["moved_overall"]
    table["rank"] = condition.rank(ascending=False, method="first").astype(int)
    won = won.astype({"test_level": float, "won": float})
    return table.merge(won, on=["test_perturbation", "test_level", "layer"], how="left")


def recommendation(table: pd.DataFrame) -> str:
    """What to train, in sentences, and whether it helped to choose so."""
    best = table[table["rank"] == 1]
    chosen = best.groupby("layer", sort=False)["test_perturbation"].agg(", ".join)
    text = "Recommended is the layer whose output a perturbation moves furthest, over all places: " + "; ".join(
        f"{layer} against {names}" for layer, names in chosen.items()
    )
    text += "."
    tried = table.dropna(subset="won")
    several = [
        group
        for _, group in tried.groupby(["test_perturbation", "test_level"], sort=False)
        if len(group) > 2 and group["won"].nunique() > 1
    ]
    if not several:
        return text
    found, by_place = (
        [float(spearmanr(group[column], group["won"]).statistic) for group in several]
        for column in ("moved_overall", "moved")
    )
    each = ", ".join(
        f"{group['test_perturbation'].iloc[0]} {one:+.2f}" for group, one in zip(several, found, strict=True)
    )
    return (
        f"{text} The rank correlation of how far a layer is moved with what training it alone won is "
        f"{np.mean(found):+.2f} on average over {len(found)} perturbations ({each}; Spearman, over "
        f"{len(several[0])} layers each); of how far it is moved place by place, {np.mean(by_place):+.2f}."
    )


def movement_figure(table: pd.DataFrame) -> Drawing:
    """How far each perturbation moves each layer."""
    wide = table.assign(
        condition=[condition_title(*pair) for pair in table[["test_perturbation", "test_level"]].values]
    ).pivot_table(index="condition", columns="place", values="moved_overall", sort=False)
    names = table.drop_duplicates("place").sort_values("place")["layer"]
    wide = wide[sorted(wide.columns)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.75 * len(names) + 2, 0.32 * len(wide) + 1), layout="constrained")
        axis = figure.subplots()
        axis.imshow(wide.to_numpy(), cmap="Blues", vmin=0, aspect="auto")
        for (row, column), value in np.ndenumerate(wide.to_numpy()):
            colour = "white" if value > 0.6 * np.nanmax(wide.to_numpy()) else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(len(names)), list(names), rotation=30, ha="right")
        axis.set_yticks(range(len(wide)), list(wide.index))
        axis.tick_params(length=0)
        for side in axis.spines.values():
            side.set_visible(False)
    caption = (
        "How far each perturbation moves the output of each layer, its mean over all places, as a share of its length."
    )
    return Drawing(figure, caption, table)


def maps_figure(model: nn.Module, splits: Splits, conditions: Sequence[Condition]) -> Drawing:
    """Images, natural and perturbed; for each what its class rests on, by pixel (saliency) and by place (Grad-CAM), and
    how strongly each layer answers there."""
    test = splits.test
    labels = torch.linspace(0, len(test.classes) - 1, _PICTURES).round().long()
    rows = torch.stack([(test.labels == label).nonzero()[0, 0] for label in labels])
    natural = to_float(test.images[rows])
    shown = [(NATURAL, natural)]
    for condition in conditions:
        if condition.perturbation is not None:
            random = ImageRandom(key("test", 0, 0), rows)
            shown.append((condition.title, condition.perturbation.perturb(natural, random)))
    pictures = [
        (title, place, image, look(model, image, int(labels[place])))
        for place in range(_PICTURES)
        for title, images in shown
        for image in [images[place]]
    ]
    columns = ["image", *pictures[0][3]]
    with matplotlib.rc_context(STYLE):
        size = (0.8 * len(columns) + 1.6, 0.8 * len(pictures) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(pictures), len(columns), squeeze=False)
        for line, (title, _, image, maps) in zip(axes, pictures, strict=True):
            pixels = image.permute(1, 2, 0).numpy()
            line[0].imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", vmin=0, vmax=1)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
            for axis, values in zip(line[1:], maps.values(), strict=True):
                axis.imshow(values.numpy(), cmap="magma", vmin=0)
            for axis in line:
                _bare(axis)
        for axis, name in zip(axes[0], columns, strict=True):
            axis.set_title(name, fontsize=7)
    numbers = pd.DataFrame(
        [
            {"image": int(rows[place]), "shown": title, "map": name, "mean": float(values.mean())}
            for title, place, _, maps in pictures
            for name, values in maps.items()
        ]
    )
    caption = (
        "Natural images and the same perturbed; what their true class rests on, by pixel (saliency) and by place "
        "(Grad-CAM at the last layer that has places), and how strongly each layer answers there (mean of the "
        "absolute activation). Each map has its own scale."
    )
    return Drawing(figure, caption, numbers)


def look(model: nn.Module, image: Tensor, label: int) -> dict[str, Tensor]:
    """Maps of an image, shape (channels, height, width), for the class `label`: `saliency`, `Grad-CAM`, and the mean
    absolute activation of each layer that has places; each of shape (rows, columns), from 0."""
    from captum.attr import LayerActivation, LayerGradCam, Saliency

    batch = image[None]
    maps = {"saliency": Saliency(model).attribute(batch.clone().requires_grad_(True), target=label)[0].amax(0).detach()}
    activations = {}
    for name in layers(model):
        with torch.no_grad():
            activation = LayerActivation(model, model.get_submodule(name)).attribute(batch)
        if activation.dim() == 4 and min(activation.shape[2:]) > 1:
            activations[name] = activation[0].abs().mean(0)
    if activations:
        last = model.get_submodule(list(activations)[-1])
        cam = LayerGradCam(model, last).attribute(batch, target=label, relu_attributions=True)
        maps["Grad-CAM"] = cam[0, 0].detach()
    return {**maps, **activations}


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
