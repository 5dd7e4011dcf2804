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
from robust.measure.confusion import confusion_shares, hardest_levels, matrix_of, natural_matrix
from robust.report.figures import MOST_NUMBERS, STYLE, Drawing, heat_map
from robust.runs import RunFolder

_MOST_CLASSES = 50  # that a picture names
_CONFUSION_COLOURS, _CHANGES = "Oranges", "PuOr_r"


def confusion_matrix(folders: Sequence[Path]) -> pd.DataFrame:
    """How often these runs, of one kind, took each class for which (see `confusion_shares`). Runs whose confusion was
    not kept are passed over."""
    return confusion_shares([own for folder in folders if (own := RunFolder(folder).read_confusion()) is not None])


def confusion_figure(table: pd.DataFrame, title: str) -> Drawing:
    """The matrix of natural images, then for each perturbation that of its hardest level, beside it the change.

    `table` as `confusion_matrix` makes it. The diagonal is grey, so that what goes wrong has the colours to itself.
    Of more than 50 classes, those 50 whose confusion grows most are drawn.
    """
    natural = natural_matrix(table)
    matrices = {condition: matrix_of(table, condition) for condition in hardest_levels(table)}
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
