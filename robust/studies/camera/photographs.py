"""Accuracy on real photographs over the settings that they were taken with (ImageNet-ES, arXiv 2404.15882)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.perturb.camera import Exposure, written
from robust.report.section import Section, Table
from robust.report.tables import percent
from robust.runs import RunFolder
from robust.runs.titles import plain_titles
from robust.studies.camera.grids import best_of, grids_figure

_TEXT = "Real photographs of the same pictures at each ISO, f-number and shutter speed: not equally bright."
_NOTE = "Mean, best and worst over the settings; an automatic exposure is in none of them."
_WHERE = ["title", "set", "light"]


def photographs_section(folders: Sequence[Path]) -> Section:
    """Figures and a table of networks on photographs; nothing where none was tested on any."""
    lines = photograph_lines(folders)
    if lines.empty:
        return Section("")
    axes = {"iso": "ISO", "shutter": "shutter, s"}
    drawings = {}
    for (title, name), mine in lines.groupby(["title", "set"], sort=False):
        f_numbers = sorted(mine["f_number"].unique())
        said = mine.assign(
            panel=[f"{light}, f/{one:g}" for light, one in zip(mine["light"], mine["f_number"], strict=True)]
        )
        said = said.sort_values(["light", "f_number"], ascending=[False, True], kind="stable")
        caption = f"{title}, {name}: accuracy in % at each setting."
        drawings[f"photographs-{name}-{title}"] = grids_figure(
            said, axes, width=len(f_numbers), caption=caption, write=written
        )
    grouped = lines.groupby(_WHERE, sort=False)["accuracy"]
    table = (
        grouped.agg(["mean", "min"])
        .join(best_of(lines, _WHERE).set_index(_WHERE)[["setting", "accuracy"]])
        .reset_index()
    )
    shown = table[["title", "set", "light"]].rename(columns={"title": "trained"})
    shown = shown.assign(**{"mean, %": table["mean"].map(percent), "worst, %": table["min"].map(percent)})
    shown = shown.assign(**{"best, %": table["accuracy"].map(percent), "best at": table["setting"]})
    return Section("Real photographs by setting", _TEXT, drawings, {"photographs": Table(shown, table, _NOTE)})


def photograph_lines(folders: Sequence[Path]) -> pd.DataFrame:
    """A line for each kind of run, set, light and setting, the mean over the runs: title, set, light, iso, f_number,
    shutter in seconds, setting in words, `said` "", runs, accuracy."""
    read = [RunFolder(folder).read_published(predictions=False) for folder in folders]
    found = [one for one in read if one is not None]
    if not found:
        return pd.DataFrame()
    rows = pd.concat(found, ignore_index=True)
    taken = [Exposure.of(text) for text in rows["corruption"]]
    rows, settings = rows[[one is not None for one in taken]], [one for one in taken if one is not None]
    if rows.empty:
        return rows
    about = {name: [getattr(one, name) for one in settings] for name in ("iso", "f_number", "shutter")}
    light = rows["corruption"].str.extract(r" s, (.*)$")[0].fillna("")
    rows = rows.assign(title=plain_titles(rows), light=light, setting=[one.title for one in settings], **about, said="")
    kept = [*_WHERE, "iso", "f_number", "shutter", "setting", "said"]
    return (
        rows.groupby(kept, sort=False)["accuracy"]
        .agg(["size", "mean"])
        .reset_index()
        .rename(columns={"size": "runs", "mean": "accuracy"})
    )
