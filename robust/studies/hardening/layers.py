"""Which layers feel a perturbation, which to train against it, and where a network looks.

What Everaert, Thiel, Yannett ("Robust Computer Vision") chose by eye, from saliency maps and activations, is measured:
how far a perturbation moves a layer's output, and what was won by training that layer alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch import nn

from robust.data import Splits, one_of_each, to_float
from robust.experiment.build import build_perturbation, build_splits
from robust.experiment.compose import compose
from robust.measure import NATURAL, TEST_KEY, Condition, as_whole, condition_title, measure_layers, saliency_maps
from robust.report.figures import STYLE, Drawing, bare, heat_map, show_image
from robust.report.section import Section, Table
from robust.report.studies import if_possible
from robust.report.tables import percent
from robust.runs import RunFolder, load
from robust.runs.titles import disambiguate

_MOVED = ["moved", "moved_overall"]
_IMAGES = 200  # test images that are measured
_PICTURES = 2  # images that are looked at, under each perturbation


def layer_sections(folders: Sequence[Path], rows: pd.DataFrame) -> list[Section]:
    """A section for each kind of natural network of which these runs hardened several layers, each alone; networks of
    one kind differ by their seed. Left out where images, weights or Captum are missing, which is said."""
    sections = []
    with if_possible("Which layers to harden"):
        natural, layers = natural_networks(folders, rows, layers_alone(folders, rows))
        names = _names(natural, rows) if len(natural) > 1 else [""] * len(natural)
        for (kind, mine), name in zip(natural.items(), names, strict=True):
            sections.append(_section(mine, rows, gains(rows, layers[kind]), name))
    return sections


def natural_networks(
    folders: Sequence[Path], rows: pd.DataFrame, layers: Mapping[str, str]
) -> tuple[dict[str, list[Path]], dict[str, dict[str, str]]]:
    """The natural runs of each kind of which several layers were hardened, and the `layers` of the runs that did it, by
    that kind."""
    runs = rows.drop_duplicates("run").set_index("run")
    of_kinds: dict[str, dict[str, str]] = {}
    for run, layer in layers.items():
        if (reference := runs.loc[run, "reference"]) in runs.index:
            of_kinds.setdefault(runs.loc[reference, "kind"], {})[run] = layer
    several = {kind: mine for kind, mine in of_kinds.items() if len({*mine.values()}) > 1}
    networks = {kind: [one for one in folders if runs["kind"].get(one.name) == kind] for kind in several}
    return {kind: mine for kind, mine in networks.items() if mine}, several


def _names(natural: Mapping[str, Sequence[Path]], rows: pd.DataFrame) -> Sequence[str]:
    """What the networks of each of several kinds are called."""
    first = [rows[rows["run"] == mine[0].name].iloc[0] for mine in natural.values()]
    names = pd.Series([f"{row['data']} {row['model']}" for row in first], dtype=object)
    return list(
        disambiguate(names, pd.Series(list(natural)), folders={kind: mine[0] for kind, mine in natural.items()})
    )


def layers_alone(folders: Sequence[Path], rows: pd.DataFrame) -> dict[str, str]:
    """The layer of each run that hardened a single one: its `technique.trainable` is one pattern, such as
    "layer4.*"."""
    places = {folder.name: folder for folder in folders}
    runs = rows[rows["technique"].str.startswith("harden") & rows["run"].isin(places)].drop_duplicates("run")
    found: dict[str, str] = {}
    for _, mine in runs.groupby("kind", sort=False):  # runs of one kind have one configuration
        trainable = RunFolder(places[mine["run"].iloc[0]]).read_config().technique.trainable or ()
        names = [one.removesuffix(".*") for one in trainable]
        if len(names) == 1 and "*" not in names[0]:
            found |= dict.fromkeys(mine["run"], names[0])
    return found


def _section(natural: Sequence[Path], rows: pd.DataFrame, won: pd.DataFrame, name: str) -> Section:
    """Of the natural networks of one kind; `name` tells it from the others, where there are any."""
    config, mine = RunFolder(natural[0]).read_config(), rows[rows["run"] == natural[0].name]
    splits, conditions, seed = build_splits(config.data), _tested(mine), config.evaluation.seed
    moved = pd.concat(
        [measure_layers(load(folder), splits.test, conditions, count=_IMAGES, seed=seed) for folder in natural]
    )
    table = layer_table(moved, won)
    end = f"-{config.model.name}-{mine['kind'].iloc[0]}" if name else ""
    drawings = {
        f"layers{end}": movement_figure(table),
        f"maps{end}": maps_figure(load(natural[0]), splits, conditions, seed=seed),
    }
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
    tables = {f"layers{end}": Table(shown, table, note)}
    return Section(f"Which layers? {name}".strip(), recommendation(table), drawings, tables)


def _tested(rows: pd.DataFrame) -> list[Condition]:
    """The perturbations that a run was tested under."""
    tests = rows[["test_perturbation", "test_level"]].drop_duplicates()
    conditions = []
    for name, level in tests[tests["test_perturbation"] != NATURAL].itertuples(index=False, name=None):
        perturb = compose([f"perturb={name}", f"perturb.level={int(level) if level == int(level) else level}"]).perturb
        conditions.append(Condition(build_perturbation(perturb)))
    return conditions


def gains(rows: pd.DataFrame, layers: Mapping[str, str]) -> pd.DataFrame:
    """What hardening one layer alone won: test_perturbation, test_level, layer, won, which is a fraction, the mean over
    seeds.

    `layers`: that of each run (see `layers_alone`). Won is its accuracy under what it was trained on, less its natural
    run's in the same trials. A layer that was hardened in several ways is left out: to choose one would be to choose
    the result."""
    of_runs = dict(list(as_whole(rows).groupby("run")))
    lines = []
    for run, layer in layers.items():
        mine = of_runs[run]
        own = mine[
            (mine["test_perturbation"] == mine["train_perturbation"]) & (mine["test_level"] == mine["train_level"])
        ]
        both = own.merge(of_runs[mine["reference"].iloc[0]], on=TEST_KEY, suffixes=("", "_before"))
        if len(both):
            test = both.iloc[0][["test_perturbation", "test_level", "kind"]].to_dict()
            won = (both["accuracy"] - both["accuracy_before"]).mean()
            lines.append({**test, "layer": layer, "won": won})
    by = ["test_perturbation", "test_level", "layer"]
    table = pd.DataFrame(lines, columns=[*by, "kind", "won"])
    alone = table.groupby(by)["kind"].transform("nunique") == 1
    return table[alone].groupby(by, as_index=False)["won"].mean()


def layer_table(moved: pd.DataFrame, won: pd.DataFrame) -> pd.DataFrame:
    """A line for each perturbation and layer: test_perturbation, test_level, layer, place, moved and moved_overall
    (means over seeds), rank (1 is moved furthest overall) and won (NaN where it was not tried)."""
    by = ["test_perturbation", "test_level", "layer", "place"]
    table = moved.groupby(by, sort=False, as_index=False)[_MOVED].mean()
    condition = table.groupby(["test_perturbation", "test_level"], sort=False)["moved_overall"]
    table["rank"] = condition.rank(ascending=False, method="first").astype(int)
    won = won.astype({"test_level": float, "won": float})
    return table.merge(won, on=["test_perturbation", "test_level", "layer"], how="left")


def recommendation(table: pd.DataFrame) -> str:
    """What to train, in sentences, and whether it helped to choose so."""
    best = table[table["rank"] == 1]
    titles = pd.Series(
        [condition_title(*pair) for pair in best[["test_perturbation", "test_level"]].values], index=best.index
    )
    chosen = titles.groupby(best["layer"], sort=False).agg(", ".join)
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
        f"{condition_title(*group[['test_perturbation', 'test_level']].iloc[0])}: {one:+.2f} over {len(group)} layers"
        for group, one in zip(several, found, strict=True)
    )
    return (
        f"{text} The rank correlation of how far a layer is moved with what training it alone won is "
        f"{np.mean(found):+.2f} on average over {len(found)} perturbations (Spearman; {each}); "
        f"of how far it is moved place by place, {np.mean(by_place):+.2f}."
    )


def movement_figure(table: pd.DataFrame) -> Drawing:
    """How far each perturbation moves each layer."""
    wide = table.assign(
        condition=[condition_title(*pair) for pair in table[["test_perturbation", "test_level"]].values]
    ).pivot_table(index="condition", columns="place", values="moved_overall", sort=False)
    names = table.drop_duplicates("place").sort_values("place")["layer"]
    wide = wide[sorted(wide.columns)]
    with matplotlib.rc_context(STYLE):
        size = (0.45 * len(names) + 2, 0.45 * len(wide) + 1)
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        values = wide.to_numpy()
        text = np.vectorize("{:.2f}".format)(values)
        scale = Normalize(0, np.nanmax(values))
        heat_map(axis, values, list(wide.index), list(names), colours="Blues", scale=scale, text=text)
    caption = (
        "How far each perturbation moves the output of each layer, its mean over all places, as a share of its length."
    )
    return Drawing(figure, caption, table)


def maps_figure(model: nn.Module, splits: Splits, conditions: Sequence[Condition], *, seed: int) -> Drawing:
    """Images, natural and perturbed; for each what its class rests on, by pixel (saliency) and by place (Grad-CAM), and
    how strongly each layer answers there."""
    test = splits.test
    rows = one_of_each(test, _PICTURES)
    labels, natural = test.labels[rows], to_float(test.images[rows])
    shown = {
        condition.title: condition.view(natural, test.places[rows], seed=seed, trial=0)
        for condition in [Condition(), *conditions]
    }
    pictures = [
        (title, place, image, saliency_maps(model, image, int(labels[place])))
        for place in range(len(rows))
        for title, images in shown.items()
        for image in [images[place]]
    ]
    columns = ["image", *pictures[0][3]]
    with matplotlib.rc_context(STYLE):
        size = (0.8 * len(columns) + 1.6, 0.8 * len(pictures) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(pictures), len(columns), squeeze=False)
        for line, (title, _, image, maps) in zip(axes, pictures, strict=True):
            show_image(line[0], image.numpy())
            line[0].set_ylabel(title.replace(" ", "\n"), rotation=0, ha="right", va="center", fontsize=7)
            for axis, values in zip(line[1:], maps.values(), strict=True):
                axis.imshow(values.numpy(), cmap="magma", vmin=0)
                bare(axis)
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
