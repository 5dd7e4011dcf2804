"""Searches: what was tried, what was stopped early, and what is best."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from robust.report.figures import COLOURS, STYLE, Drawing, legend_below
from robust.report.section import Section, Table
from robust.report.tables import percent
from robust.runs.contents import if_sound
from robust.runs.searches import ACCURACIES, SearchFolder, Stage, Trial, front

_STYLES: dict[str, Any] = {  # of a recipe's line and point
    "best": {"color": COLOURS[1], "zorder": 3},
    Stage.DONE: {"color": COLOURS[0]},
    Stage.STOPPED: {"color": "0.7"},
}
_AXES = {"natural": "natural images", "mean": "mean over perturbations", "worst": "worst perturbation"}


def search_section(folders: Sequence[Path]) -> Section:
    """The searches in whose folders the best recipes are among these runs."""
    names, places = {one.name for one in folders}, dict.fromkeys(folder.parent for folder in folders)
    texts, drawings, tables = [], {}, {}
    for files in (one for place in places for one in SearchFolder.within(place)):
        if (read := if_sound(files.read)) is None:
            continue
        settings, trials = read
        best = front(trials, settings["objective"])
        if names.isdisjoint(one.run for one in best):
            continue
        name, numbers = files.path.name, [one.number for one in best]
        texts.append(search_text(settings, trials))
        drawings[name] = _figure(trials, numbers, settings["objective"])
        tables[f"{name}-recipes"] = _table(trials, numbers)
    return Section("Search", " ".join(texts), drawings, tables)


def search_text(settings: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """What is searched, within which budget, how far that is, and which recipe is best."""
    of = f"{settings['size']} recipes" if settings.get("size") else "recipes without end"
    budget = [f"{settings['minutes']:g} minutes of computing"] if settings.get("minutes") else []
    budget += [f"{settings['joules']:,g} joules"] if settings.get("joules") else []
    budget += [f"{settings['runs']} recipes"] if settings.get("runs") else []
    stages = Counter(one.stage for one in trials)
    came = ", ".join(f"{stages[stage]} {stage}" for stage in Stage if stages[stage]) or "none yet"
    minutes, joules = sum(one.seconds for one in trials) / 60, sum(one.joules for one in trials)
    objective = settings["objective"]
    lines = [
        f"Search for {' and '.join(objective)} accuracy on validation images, among {of}, within "
        f"{' and '.join(budget)}.",
        *([f"Chosen from: {'; or '.join(settings['among'])}."] if settings.get("among") else []),
        f"Tried: {came}; {minutes:.1f} minutes, {joules:,.0f} joules used.",
    ]
    for one in front(trials, objective):
        came_to = ", ".join(
            f"{name} {percent(value)} %" for name, value in zip(ACCURACIES, one.values(ACCURACIES), strict=True)
        )
        lines.append(f"Best: {one.recipe} ({came_to}).")
    return " ".join(lines)


def _table(trials: Sequence[Trial], best: Sequence[int]) -> Table:
    """A line for each recipe, those that came furthest and are best there first."""
    lines = [
        {
            "recipe": one.recipe,
            **dict(zip(ACCURACIES, one.values(ACCURACIES) if one.measured else [np.nan] * 3, strict=True)),
            "epochs": one.measured[-1][0] if one.measured else 0,
            "of": one.epochs,
            "minutes": one.seconds / 60,
            "stage": "best" if one.number in best else str(one.stage),
            "reason": one.reason,
        }
        for one in trials
    ]
    numbers = pd.DataFrame(lines)
    numbers["came"] = numbers["epochs"] / numbers["of"].clip(1)
    numbers = numbers.sort_values(["came", "mean"], ascending=False, ignore_index=True).drop(columns="came")
    shown = numbers.drop(columns=["of", *(["reason"] if not numbers["reason"].any() else [])])
    shown["epochs"] = [f"{one.epochs} of {one.of}" for one in numbers.itertuples()]
    shown["minutes"] = numbers["minutes"].map("{:.1f}".format)
    titles = {name: f"{name}, %" for name in ACCURACIES}
    note = (
        "Accuracy on validation images: natural, the mean and the least under the perturbations of the search. Stopped "
        "early: after as many epochs, more than half of the recipes that came as far were better."
    )
    return Table(
        shown.assign(**{name: numbers[name].map(percent) for name in titles}).rename(columns=titles), numbers, note
    )


def _figure(trials: Sequence[Trial], best: Sequence[int], objective: Sequence[str]) -> Drawing:
    """How the recipes came along, and what they came to: those that are done, and the best of them."""
    curve = pd.DataFrame(
        {"recipe": one.recipe, "stage": "best" if one.number in best else str(one.stage), "of": one.epochs}
        | {"epoch": epoch, "seconds": seconds, **dict(zip(ACCURACIES, found, strict=True))}
        for one in trials
        for epoch, seconds, found in one.measured
    )
    judged = next((name for name in objective if name != ACCURACIES[0]), "mean")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.4), layout="constrained")
        course, ends = figure.subplots(1, 2, sharey=True)
        for (_, stage), run in curve.groupby(["recipe", "stage"], sort=False):
            style = _STYLES.get(stage, _STYLES[Stage.STOPPED])
            course.plot(
                100 * run["epoch"] / run["of"], 100 * run[judged], marker="o", markersize=3, linewidth=1, **style
            )
            last = run.iloc[-1]
            if stage in ("best", Stage.DONE):
                ends.plot(100 * last["natural"], 100 * last[judged], "o", linestyle="", label=stage, **style)
        if Stage.STOPPED in curve["stage"].to_list():
            course.plot([], [], label=str(Stage.STOPPED), **_STYLES[Stage.STOPPED])
        course.set_xlabel("share of the training, %")
        ends.set_xlabel(f"accuracy, {_AXES['natural']}, %")
        course.set_ylabel(f"accuracy, {_AXES[judged]}, %")
        for axis in (course, ends):
            axis.grid(color="0.9", linewidth=0.6)
        legend_below(figure, columns=3)
    caption = (
        "Accuracy on validation images. Left: how each recipe came along, measured where hopeless ones are stopped. "
        "Right: those trained to their end; best are those than which none is better in all that was searched for."
    )
    return Drawing(figure, caption, curve)
