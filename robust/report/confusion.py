"""Which classes are taken for which, and how that changes when images are perturbed."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from robust.measure import NATURAL
from robust.report.figures import MOST_NUMBERS, STYLE, Drawing, heat_map
from robust.runs import RunFolder

_MOST_CLASSES = 50  # that a picture names
_CONFUSION_COLOURS, _CHANGES = "Oranges", "PuOr_r"


def confusion_matrix(folders: Sequence[Path]) -> pd.DataFrame:
    """How often these runs, of one kind, took each class for which: condition, true, predicted, count, share.

    Counts are summed over seeds and trials; `share` is the fraction of all images of the true class. Pairs that never
    came up are left out. Classes stand in their own order. Runs whose confusion was not kept are passed over.
    """
    names = ["condition", "true", "predicted"]
    tables = [own for folder in folders if (own := RunFolder(folder).read_confusion()) is not None]
    if not tables:
        return pd.DataFrame(columns=[*names, "count", "share"])
    table = pd.concat(tables).groupby(names, sort=False, as_index=False)["count"].sum()
    classes = {name: place for place, name in enumerate(_classes(table))}
    tested = {name: place for place, name in enumerate(tables[0]["condition"].unique())}
    order = {"condition": tested, "true": classes, "predicted": classes}
    table = table.sort_values(names, key=lambda column: column.map(order[column.name]), ignore_index=True)
    table["share"] = table["count"] / table.groupby(["condition", "true"])["count"].transform("sum")
    return table


def merged_pairs(table: pd.DataFrame, *, most: int = 5) -> pd.DataFrame:
    """The confusions that grew most from natural images to each condition, the greatest first, `most` of each.

    Columns: condition, true, predicted, natural, perturbed, gained. A pair has a direction: `true` was taken for
    `predicted`; 4 for 9 and 9 for 4 are two. All three figures are fractions of the true class.
    """
    natural = _natural(table)
    lines = []
    for condition in table["condition"].unique():
        if condition != NATURAL:
            pairs = pd.DataFrame({"natural": natural.stack(), "perturbed": _matrix(table, condition).stack()})
            pairs = pairs.assign(gained=pairs["perturbed"] - pairs["natural"]).reset_index()
            pairs = pairs[(pairs["true"] != pairs["predicted"]) & (pairs["gained"] > 0)]
            pairs = pairs.sort_values("gained", ascending=False, kind="stable").head(most)
            lines.append(pairs.assign(condition=condition))
    columns = ["condition", "true", "predicted", "natural", "perturbed", "gained"]
    return pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns)


def confusion_figure(table: pd.DataFrame, title: str) -> Drawing:
    """The matrix of natural images, then for each perturbation that of its hardest level, beside it the change.

    `table` as `confusion_matrix` makes it. The diagonal is grey, so that what goes wrong has the colours to itself.
    Of more than 50 classes, those 50 whose confusion grows most are drawn.
    """
    natural = _natural(table)
    matrices = {condition: _matrix(table, condition) for condition in _hardest(table)}
    classes, total = _shown(natural, matrices), len(natural)
    natural = natural.loc[classes, classes]
    matrices = {condition: matrix.loc[classes, classes] for condition, matrix in matrices.items()}
    figure = _draw(natural, matrices, title)
    caption = (
        "Rows: the true class; columns: what the model takes it for, in % of the true class"
        f"{'' if len(classes) <= MOST_NUMBERS else ' (colours alone)'}, seeds and trials together. Of each "
        "perturbation its hardest level, beside it the change against natural images. The diagonal, what is "
        "recognised, has no colour."
    )
    if len(classes) < total:
        caption += f" Shown are the {len(classes)} of {total} classes whose confusion grows most."
    shown = (
        table["condition"].isin([NATURAL, *matrices]) & table["true"].isin(classes) & table["predicted"].isin(classes)
    )
    return Drawing(figure, caption, table[shown].reset_index(drop=True))


def _classes(table: pd.DataFrame) -> list[str]:
    """The classes in their own order: runs write them so, and each has test images."""
    return list(dict.fromkeys([*table["true"], *table["predicted"]]))


def _matrix(table: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The shares under one condition: a row for each true class, a column for each predicted one."""
    classes = _classes(table)
    matrix = table[table["condition"] == condition].pivot(index="true", columns="predicted", values="share")
    return matrix.reindex(index=classes, columns=classes).fillna(0.0)


def _natural(table: pd.DataFrame) -> pd.DataFrame:
    if NATURAL not in set(table["condition"]):
        raise ValueError("`table` must hold natural images, to compare with; measure these runs on them first.")
    return _matrix(table, NATURAL)


def _hardest(table: pd.DataFrame) -> list[str]:
    """Of each perturbation the condition with the fewest images recognised."""
    perturbed = table[table["condition"] != NATURAL]
    right = perturbed["count"].where(perturbed["true"] == perturbed["predicted"], 0)
    accuracy = right.groupby(perturbed["condition"], sort=False).sum()
    accuracy /= perturbed.groupby("condition", sort=False)["count"].sum()
    names = accuracy.index.str.rsplit(" ", n=1).str[0]
    return list(accuracy.groupby(names, sort=False).idxmin())


def _shown(natural: pd.DataFrame, matrices: dict[str, pd.DataFrame]) -> list[str]:
    """The classes to draw: all, or those whose greatest confusion grows most, in their own order."""
    if len(natural) <= _MOST_CLASSES:
        return list(natural.index)
    changes = [_off_diagonal(matrix) - _off_diagonal(natural) for matrix in matrices.values()]
    growth = np.max(changes, axis=0) if changes else _off_diagonal(natural)
    greatest = np.fmax(np.nanmax(growth, axis=0), np.nanmax(growth, axis=1))
    chosen = np.argsort(-greatest, kind="stable")[:_MOST_CLASSES]
    return [natural.index[place] for place in sorted(chosen)]


def _off_diagonal(matrix: pd.DataFrame) -> np.ndarray:
    """The matrix in % with nothing (NaN) on its diagonal."""
    return np.where(np.eye(len(matrix), dtype=bool), np.nan, 100 * matrix.to_numpy())


def _draw(natural: pd.DataFrame, matrices: dict[str, pd.DataFrame], title: str) -> Figure:
    """Natural images and the scales, then for each condition its matrix and its change; all share two scales."""
    greatest = max([1.0, *(np.nanmax(_off_diagonal(matrix)) for matrix in (natural, *matrices.values()))])
    most = max([1.0, *(np.nanmax(np.abs(_off_diagonal(matrix - natural))) for matrix in matrices.values())])
    shares = PowerNorm(0.5, 0, greatest)  # a root: a hundredth shows beside a half
    changes = Normalize(-most, most)
    side = max(2.5, 0.13 * len(natural))
    columns = 4 if side < 3 else 2
    height = -(-2 * (1 + len(matrices)) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(columns * (side + 0.1), height * (side + 0.3) + 0.3), layout="constrained")
        first, legend, *axes = figure.subplots(height, columns, squeeze=False).flatten()
        _draw_matrix(first, natural, f"{NATURAL} images", shares, _CONFUSION_COLOURS)
        first.set(ylabel="true class", xlabel="taken for")
        _draw_scales(legend, {"taken for it, %": (shares, _CONFUSION_COLOURS), "change, points": (changes, _CHANGES)})
        panels = iter(axes)
        for condition, matrix in matrices.items():
            _draw_matrix(next(panels), matrix, condition, shares, _CONFUSION_COLOURS)
            _draw_matrix(next(panels), matrix - natural, f"{condition}: change", changes, _CHANGES, signed=True)
        for unused in panels:
            unused.set_visible(False)
        for place, panel in enumerate(axes, start=2):  # classes are named at the left and below
            below = place + columns >= 2 * (1 + len(matrices))
            panel.tick_params(labelleft=place % columns == 0, labelbottom=below)
        figure.suptitle(title, x=0.02, ha="left")
    return figure


def _draw_scales(axis: Axes, scales: dict[str, tuple[Normalize, str]]) -> None:
    axis.set_axis_off()
    for place, (label, (scale, colours)) in enumerate(scales.items()):
        bar = axis.inset_axes((0.1, 0.65 - 0.4 * place, 0.8, 0.05))
        axis.figure.colorbar(ScalarMappable(scale, colours), cax=bar, orientation="horizontal", label=label)


def _draw_matrix(
    axis: Axes, matrix: pd.DataFrame, title: str, scale: Normalize, colours: str, *, signed: bool = False
) -> None:
    names, text = list(matrix.columns), None
    if len(names) <= MOST_NUMBERS:
        text = np.vectorize(lambda value: f"{value:{'+' if signed else ''}.0f}")(100 * matrix.to_numpy())
        nothing = np.isin(text, ["0", "-0", "+0"])
        text[nothing] = np.where(np.eye(len(names), dtype=bool), "0", "")[nothing]
    heat_map(axis, _off_diagonal(matrix), names, names, colours=colours, scale=scale, text=text)
    axis.set_title(title, fontsize=9)
