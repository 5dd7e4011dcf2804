"""When the prediction of each image falls: how many stand at a level, by class, and the pictures that fall first."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust.measure import NATURAL, unit_of
from robust.measure.suites import LESS_IS_WORSE
from robust.report.figures import STYLE, Drawing, legend_below, line_styles, show_image
from robust.report.section import Table
from robust.report.tables import percent, summary_table, varying
from robust.runs import RunFolder
from robust.runs.limits import read_limits

_ALL = "all"  # of the classes together
_MOST_LINES = 12  # that one can tell apart
_WIDTH, _COLUMNS = 3.2, 3  # inches of a panel, panels in a row
_SHOWN = 6  # of the images that fall first
_KIND = ["title", "kind", "data", "model", "technique", "perturbation"]
_STANDING = (
    "The share of test images whose prediction is right unperturbed and at every level up to this one (where less is "
    "worse: down to it), "
)
_NOTE = (
    "Share of the images of a class whose prediction falls at none of the levels, and the classes of which half have "
    "fallen first and last. Every class is in the CSV: at each level the share that still stands."
)


class Images(NamedTuple):
    """What figures and tables say of single images."""

    drawings: dict[str, Drawing]
    tables: dict[str, Table]


def image_sections(folders: Sequence[Path], rows: pd.DataFrame) -> Images:
    """How many images stand at each level, for each kind of run, and of one kind by class and the pictures that fall
    first: the natural one, or else the first; nothing where no image was looked at."""
    found = {folder: known for folder in folders if (known := read_limits(RunFolder(folder))) is not None}
    standing = survival(found, rows)
    if standing.empty:
        return Images({}, {})
    kinds = standing.drop_duplicates("title")
    shown = str(kinds.sort_values("technique", key=lambda one: one != NATURAL, kind="stable")["title"].iloc[0])
    together, mine = standing[standing["class"] == _ALL], standing[standing["title"] == shown]
    by_class = mine[mine["class"] != _ALL].assign(title=mine["class"], technique="")
    drawings = {}
    if len(kinds) <= _MOST_LINES:
        drawings["standing"] = _figure(together, _STANDING + "for each kind of run.")
    if by_class["title"].nunique() <= _MOST_LINES:
        drawings["standing-classes"] = _figure(by_class, _STANDING + f"by class ({shown}).")
    runs = set(mine["run"])
    folder = next(one for one in found if one.name in runs)
    drawings["fragile"] = _fragile_figure(found[folder].to_dict("records"), _classes(folder), shown)
    return Images(drawings, {"standing": Table(_shown(standing), standing.drop(columns="run"), _NOTE)})


def survival(searches: Mapping[Path, pd.DataFrame], rows: pd.DataFrame) -> pd.DataFrame:
    """Of runs' searches, by their folders: a line for each kind of run, perturbation, class (and all together) and
    level.

    Columns: title, kind, data, model, technique, perturbation, class, level, standing, the share of images that are
    right unperturbed and at every level from there to this one, the mean over runs, and run, the first of these. The
    level of no perturbation is NaN.
    """
    found = []
    runs = summary_table(rows, searches).drop_duplicates("run").set_index("run") if searches else pd.DataFrame()
    for folder, known in searches.items():
        names = _classes(folder)
        for one in known.to_dict("records") if folder.name in runs.index else ():
            levels, label = [np.nan, *one["levels"]], one["label"]
            stands = one["falls"][:, None] > np.arange(len(levels))
            groups = [
                (_ALL, np.full(len(label), True)),
                *((names(value), label == value) for value in np.unique(label)),
            ]
            about = {"run": folder.name, "perturbation": one["test_perturbation"]}
            found += [
                {**about, "class": name, "place": place, "level": level, "standing": share}
                for name, chosen in groups
                for place, (level, share) in enumerate(zip(levels, stands[chosen].mean(axis=0), strict=True))
            ]
    if not found:
        return pd.DataFrame(columns=[*_KIND, "class", "level", "standing", "run"])
    lines = pd.DataFrame(found).join(runs[[name for name in _KIND if name in runs]], on="run")
    by = [*_KIND, "class", "place", "level"]
    mean = lines.groupby(by, sort=False, dropna=False).agg(standing=("standing", "mean"), run=("run", "first"))
    return mean.reset_index().drop(columns="place")


def _classes(folder: Path) -> Callable[[int], str]:
    """What the classes of a run's images are called, by number."""
    samples = RunFolder(folder).read_samples()
    return lambda value: str(value) if samples is None else str(samples.classes[value])


def _shown(standing: pd.DataFrame) -> pd.DataFrame:
    """A line for each perturbation and kind of run."""
    lines = []
    for _, one in standing.groupby(_KIND, sort=False):
        last = one.groupby("class", sort=False)["standing"].last()
        half = one[one["standing"] >= 0.5].groupby("class", sort=False).size().reindex(last.index, fill_value=0)
        order = pd.DataFrame({"half": half, "last": last}).drop(index=_ALL).sort_values(["half", "last"], kind="stable")
        about = one.iloc[0]
        lines.append(
            {
                "perturbation": about["perturbation"],
                "trained": about["title"],
                **{name: about[name] for name in varying(standing)},
                "never falls, %": percent(last[_ALL]),
                "falls first": order.index[0],
                "falls last": order.index[-1],
            }
        )
    return pd.DataFrame(lines)


def _figure(standing: pd.DataFrame, caption: str) -> Drawing:
    """A panel for each perturbation, a line for each title."""
    names = standing["perturbation"].unique()
    rows = -(-len(names) // _COLUMNS)
    columns = min(_COLUMNS, len(names))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH * columns, 2.6 * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        styles = line_styles(standing)
        for name, axis in zip(names, axes, strict=False):
            _panel(axis, standing[standing["perturbation"] == name], str(name), styles)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("images that stand, %")
        legend_below(figure, columns=6)
    return Drawing(figure, caption, standing.drop(columns="run"))


def _panel(axis: Axes, standing: pd.DataFrame, name: str, styles: dict[str, Any]) -> None:
    less = name.partition("@")[0] in LESS_IS_WORSE
    for title, line in standing.dropna(subset="level").groupby("title", sort=False):
        line = line.sort_values("level")
        style = {**styles[str(title)], "marker": ""}
        axis.step(line["level"], 100 * line["standing"], where="pre" if less else "post", linewidth=1.2, **style)
    levels = sorted(standing["level"].dropna().unique())
    axis.set_xscale("log")
    ticks = sorted({levels[0], levels[len(levels) // 2], levels[-1]})
    axis.set_xticks(ticks, [f"{one:.3g}" for one in ticks])
    axis.minorticks_off()
    axis.set_title(name)
    axis.set_xlabel(textwrap.fill(unit_of(name) or "level", 42))
    axis.set_ylim(0, 102)
    axis.grid(axis="y", color="0.9", linewidth=0.6)


def _fragile_figure(searches: Sequence[dict[str, Any]], names: Callable[[int], str], title: str) -> Drawing:
    """The images whose prediction falls first under each perturbation: unperturbed, and beside it where they fall, with
    the level and what they are then taken for."""
    kept, lines = [_pictures(one) for one in searches], []
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2 * 0.75 * _SHOWN + 1, 0.95 * len(searches) + 0.4), layout="constrained")
        axes = figure.subplots(len(searches), 2 * _SHOWN, squeeze=False)
        for row, (one, pictures) in enumerate(zip(searches, kept, strict=True)):
            for place in range(_SHOWN):
                natural, fallen = axes[row, 2 * place], axes[row, 2 * place + 1]
                if place >= len(one["fragile"]):
                    natural.set_visible(False)
                    fallen.set_visible(False)
                    continue
                number = one["fragile"][place]
                label, predicted = names(one["label"][number]), names(one["predicted"][number])
                level = float(one["levels"][one["falls"][number] - 1])
                show_image(natural, pictures[0][place], label)
                show_image(fallen, pictures[1][place], f"{level:.3g}: {predicted}")
                about = (one["test_perturbation"], number, label, level, predicted)
                lines.append(dict(zip(("perturbation", "image", "label", "level", "predicted"), about, strict=True)))
            left = axes[row, 0]
            left.set_visible(True)
            left.set_ylabel(one["test_perturbation"].replace("@", "\n@"), rotation=0, ha="right", va="center")
    caption = (
        "The images that fall first under each perturbation: unperturbed with their class, and where they fall with "
        f"the level and what they are taken for ({title})."
    )
    return Drawing(figure, caption, pd.DataFrame(lines))


def _pictures(search: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The images that fall first, unperturbed and where they fall: in [0, 1], shape (n, channels, height, width)."""
    natural, fallen = (
        np.frombuffer(search[name], dtype=np.uint8).reshape(-1, *search["shape"]) / 255
        for name in ("natural", "fallen")
    )
    return natural, fallen
