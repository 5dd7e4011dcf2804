"""Searches: what was tried, what was stopped early, and what is best."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from robust.values.text import count

_STYLES: dict[str, Any] = {  # of a recipe's line and point
    "best": {"color": COLOURS[1], "zorder": 3},
    Stage.DONE: {"color": COLOURS[0]},
    Stage.STOPPED: {"color": "0.7"},
}
_AXES = {"natural": "natural images", "mean": "mean over perturbations", "worst": "worst perturbation"}
_NAMED = 3  # best recipes that a sentence names

_Search = tuple[str, dict[str, Any], list[Trial], list[Trial]]


def search_section(folders: Sequence[Path]) -> Section:
    """The searches in whose folders the best recipes are among these runs."""
    texts, drawings, tables = [], {}, {}
    for name, settings, trials, best in _searches(folders):
        numbers = [one.number for one in best]
        texts += search_lines(settings, trials)
        drawings[name] = _figure(trials, numbers, settings["objective"])
        tables[f"{name}-recipes"] = _table(trials, numbers)
    return Section("Search", " ".join(texts), drawings, tables)


def search_findings(folders: Sequence[Path]) -> Iterator[str]:
    """Of each of these searches: how many recipes were tried and stopped early, and which are best."""
    for _, _, trials, best in _searches(folders):
        more = f"; and {len(best) - _NAMED} more" if len(best) > _NAMED else ""
        yield (
            f"Search: {count(len(trials), 'recipe')} tried ({_stages(trials)}); best on validation images: "
            f"{'; '.join(map(_came_to, best[:_NAMED]))}{more}."
        )


def _searches(folders: Sequence[Path]) -> Iterator[_Search]:
    """The name, settings, trials and best recipes of each search of whose best some are among these runs."""
    names, places = {one.name for one in folders}, dict.fromkeys(folder.parent for folder in folders)
    for files in (one for place in places for one in SearchFolder.within(place)):
        if (read := if_sound(files.read)) is not None:
            best = front(read[1], read[0]["objective"])
            if not names.isdisjoint(one.run for one in best):
                yield files.path.name, *read, best


def search_lines(settings: Mapping[str, Any], trials: Sequence[Trial]) -> list[str]:
    """What is searched, within which budget, each alternative that recipes are chosen from, how far the search is, and
    which recipes are best."""
    of = count(settings["size"], "recipe") if settings.get("size") else "any number of recipes"
    budget = [f"{count(settings['minutes'], 'minute')} of computing"] if settings.get("minutes") else []
    budget += [count(settings["joules"], "joule")] if settings.get("joules") else []
    budget += [f"{settings['runs']} tries"] if settings.get("runs") else []
    minutes, joules = sum(one.seconds for one in trials) / 60, sum(one.joules for one in trials)
    used = f"{minutes:.1f} minutes" + (f", {joules:,.0f} joules" if joules else "")
    objective, among = settings["objective"], ";\nor ".join(settings.get("among") or ())
    return [
        f"Search of {of} for {' and '.join(objective)} accuracy on validation images, within {' and '.join(budget)}.",
        *(f"Chosen from: {among}.".split("\n") if among else ()),
        *([f"Tried: {_stages(trials)}; {used} used."] if trials else ()),
        *(f"Best: {_came_to(one)}." for one in front(trials, objective)),
    ]


def _stages(trials: Sequence[Trial]) -> str:
    stages = Counter(one.stage for one in trials)
    return ", ".join(f"{stages[stage]} {stage}" for stage in Stage if stages[stage])


def _came_to(one: Trial) -> str:
    accuracies = zip(ACCURACIES, one.values(ACCURACIES), strict=True)
    return f"{one.recipe} ({', '.join(f'{name} {percent(value)} %' for name, value in accuracies)})"


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
