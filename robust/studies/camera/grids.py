"""Accuracy over two settings of a camera, in panels."""

import math
from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from robust.report.figures import STYLE, Drawing, bare, heat_map

_COLOURS = "viridis"
_WIDTH, _HEIGHT = 0.52, 0.4  # inches, of a cell


def grids_figure(
    lines: pd.DataFrame,
    axes: dict[str, str],
    *,
    width: int,
    caption: str,
    write: Callable[[float], str] = "{:g}".format,
) -> Drawing:
    """Accuracy over two columns of these lines, down and across, by what `axes` calls them: a panel for each value of
    the column `panel`, at most `width` of them beside one another; values across are written by `write`. In each cell
    are `accuracy`, a fraction, and what the column `said` says of it."""
    (down, high), (across, wide) = axes.items()
    panels = lines["panel"].drop_duplicates().tolist()
    rows, columns = (sorted(lines[name].unique()) for name in axes)
    width = min(width, len(panels))
    count, scale = math.ceil(len(panels) / width), Normalize(0, 100)
    size = (_WIDTH * len(columns) + 0.4) * width + 1.2, (_HEIGHT * len(rows) + 0.6) * count + 0.2
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(count, width, squeeze=False)
        for axis, panel in zip(grid.flat, [*panels, *[None] * (grid.size - len(panels))], strict=True):
            bare(axis)
            if panel is None:
                continue
            mine = (
                lines[lines["panel"] == panel]
                .set_index([down, across])
                .reindex(pd.MultiIndex.from_product([rows, columns]))
            )
            percent = 100 * mine["accuracy"].to_numpy(float).reshape(len(rows), len(columns))
            text = [
                f"{100 * one:.0f}\n{word}".strip() if math.isfinite(one) else ""
                for one, word in zip(mine["accuracy"], mine["said"].fillna(""), strict=True)
            ]
            names = [f"{one:g}" for one in rows], [write(one) for one in columns]
            written = np.array(text, dtype=object).reshape(percent.shape)
            heat_map(axis, percent, *names, colours=_COLOURS, scale=scale, text=written)
            axis.set_aspect("auto")
            axis.tick_params(axis="x", rotation=0)
            axis.set_title(panel, fontsize=8)
        for axis in grid[:, 0]:
            axis.set_ylabel(high)
        for axis in grid.flat[: len(panels)][-width:]:
            axis.set_xlabel(wide)
        figure.colorbar(ScalarMappable(scale, _COLOURS), ax=grid, label="accuracy, %", shrink=0.7)
    return Drawing(figure, caption, lines)


def best_of(lines: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """For each value of these columns the line of the highest `accuracy`."""
    return lines.loc[lines.groupby(by, sort=False)["accuracy"].idxmax()]
