"""Accuracy over ISO and f-number at one brightness: where in the exposure triangle networks are best."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.perturb.camera import Exposure, shutter_of, written
from robust.report.section import Section, Table
from robust.report.tables import over_seeds, percent, summary_table
from robust.studies.camera.grids import best_of, grids_figure

_NAME = r"^triangle@(?P<camera>\S+) (?P<lux>\S+) lux f/(?P<f_number>\S+)$"
_TEXT = (
    "The same scenes at one brightness, at several ISOs and f-numbers; the shutter is open as long as these need. A "
    "higher ISO brings noise, a smaller f-number defocus, a longer shutter movement."
)
_NOTE = "Best: of the settings tested. At the natural model's: this model's accuracy at the setting best for that one."
_BESIDE = 3  # panels


def triangle_section(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """Figures and a table of where networks are best; nothing where no run was tested so."""
    lines = triangle_lines(folders, rows)
    if lines.empty:
        return Section("")
    drawings = {}
    for (data, camera, lux), mine in lines.groupby(["data", "camera", "lux"], sort=False):
        caption = f"{data}, {camera}, {lux:g} lux: accuracy in %, and for how many seconds the shutter is open."
        said = mine.assign(panel=mine["title"])
        axes = {"iso": "ISO", "f_number": "f-number"}
        drawings[f"triangle-{data}-{camera}-{lux:g}"] = grids_figure(said, axes, width=_BESIDE, caption=caption)
    best = best_settings(lines)
    shown = best[["title", "camera", "setting"]].rename(columns={"title": "trained", "setting": "best at"})
    shown["accuracy, %"] = best["accuracy"].map(percent)
    shown["at the natural model's, %"] = best["at_natural"].map(percent)
    return Section("Exposure: ISO and f-number", _TEXT, drawings, {"triangle": Table(shown, best, _NOTE)})


def triangle_lines(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind of run and setting, over the seeds: title, data, technique, camera, lux, iso, f_number,
    shutter in seconds, `said`: the shutter as people write it, seeds, accuracy, low and high."""
    asked = rows[rows["test_perturbation"].str.match(_NAME)] if len(rows) else rows
    if asked.empty:
        return pd.DataFrame()
    lines = over_seeds(summary_table(asked, folders))
    settings = lines["test_perturbation"].str.extract(_NAME)
    lines = lines.assign(camera=settings["camera"], iso=lines["test_level"])
    lines = lines.assign(**{name: settings[name].astype(float) for name in ("lux", "f_number")})
    three = zip(lines["iso"], lines["f_number"], lines["lux"], strict=True)
    taken = [Exposure(iso, f_number, shutter_of(iso, f_number, lux)) for iso, f_number, lux in three]
    lines = lines.assign(shutter=[one.shutter for one in taken], setting=[one.title for one in taken])
    said = lines["shutter"].map(written)
    kept = ["title", "data", "technique", "camera", "lux", "iso", "f_number", "shutter", "setting", "said", "seeds"]
    return lines.assign(said=said, accuracy=lines["mean"])[[*kept, "accuracy", "low", "high"]]


def best_settings(lines: pd.DataFrame) -> pd.DataFrame:
    """Of each kind of run and camera the line of its best setting, and its accuracy where the natural model is best,
    `at_natural`; NaN without one."""
    where = ["data", "camera", "lux"]
    natural = best_of(lines[lines["technique"] == "natural"], where)[[*where, "setting"]]
    there = lines.merge(natural, on=[*where, "setting"]).rename(columns={"accuracy": "at_natural"})
    best = best_of(lines, [*where, "title"])
    return best.merge(there[[*where, "title", "at_natural"]], on=[*where, "title"], how="left")
