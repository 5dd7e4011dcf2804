"""Certified accuracy, against the distance or the number of faulty pixels that is certified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust.measure.intervals import student, wilson
from robust.report.figures import COLOURS, MARKERS, STYLE, Drawing, legend_below
from robust.report.section import Section, Table
from robust.report.tables import percent, varying
from robust.report.terminal import print_table
from robust.runs import RunFolder
from robust.runs.certificates import ATTACKED, SETTINGS, only_about, read_certificates
from robust.runs.titles import kind_folders, run_titles

#: what each kind of certificate is measured by
UNITS = {"gaussian": "Euclidean distance", "ablation": "number of faulty pixels"}
_COLUMNS = 7  # sizes that a table shows
_STEP = 0.05  # between distances that a figure shows
_APART = [*SETTINGS, "images"]
_NOTE = (
    "Certified accuracy, %, by {unit}: the share of the images whose class is right and certified up to it, with "
    "95 % intervals over images (Wilson) for one seed, over seeds (Student) for several. A certificate is wrong with a "
    "probability of at most alpha, for each image. Abstained: no class has surely more than half of the copies. "
    "Largest size: how far n copies can certify, which they do where all have one class; beyond n: further than that."
)
_ATTACKED = " In parentheses: of the images that were attacked, the share still right after an attack of that size."


def certificates_section(folders: Sequence[Path]) -> Section:
    """What was certified of these runs; nothing where nothing was."""
    drawings, tables = {}, {}
    for kind, lines in certified_accuracy(folders).groupby("certificate"):
        unit, name = UNITS[str(kind)], f"certified-{kind}"
        tables[name] = Table(_shown(lines), lines, _note(lines, unit))
        drawings[name] = _figure(lines, unit)
    return Section("Certificates", "", drawings, tables)


def print_certificates(asked: Mapping[Path, Mapping[str, object]]) -> None:
    """The same tables in the terminal, of those certificates of each folder that have these settings."""
    for kind, lines in certified_accuracy([*asked], asked).groupby("certificate"):
        unit = UNITS[str(kind)]
        print_table(_shown(lines), f"certified accuracy, %, by {unit}", _note(lines, unit))


def _note(lines: pd.DataFrame, unit: str) -> str:
    return _NOTE.format(unit=unit) + (_ATTACKED if lines["attacked"].notna().any() else "")


def certified_accuracy(
    folders: Sequence[Path], asked: Mapping[Path, Mapping[str, object]] | None = None
) -> pd.DataFrame:
    """A line for each kind of run, way of certifying and size of what is certified: title, data, model, how it was
    certified (certificate, level, n0, n, alpha, seed), seeds, images, abstained; most, the largest size that n copies
    can certify; size, a distance or a number of pixels; certified, low and high, NaN beyond `most`; and where images
    were attacked at that size attacked, the share of these that stands, and broken, how many of these were certified
    and fell; fractions and numbers, means over seeds. With `asked`, of the certificates of each folder with these
    settings."""
    found = {one: read for one in folders if (read := read_certificates(RunFolder(one))) is not None}
    found = {one: only_about(read, asked[one]) for one, read in found.items()} if asked else found
    if not found:
        return pd.DataFrame(columns=["certificate"])
    rows = pd.concat([RunFolder(one).read_rows().head(1) for one in found], ignore_index=True)
    about = rows.assign(title=run_titles(rows, kind_folders(found, rows)))[["title", "data", "model", "kind"]]
    attacked = [read_certificates(RunFolder(one), ATTACKED) for one in found]
    sizes = _sizes(pd.concat(found.values()), [one for one in attacked if one is not None])
    lines = []
    for certified, after, run in zip(found.values(), attacked, about.to_dict("records"), strict=True):
        for key, group in certified.groupby(SETTINGS, sort=False):
            said = {**run, **dict(zip(SETTINGS, key, strict=True))}
            mine = None if after is None else only_about(after, dict(zip(SETTINGS, key, strict=True)))
            lines += [{**said, **line} for line in _at_sizes(group, mine, sizes[key[0]])]
    table = _over_seeds(pd.DataFrame(lines))
    table.loc[~(table["size"] <= table["most"]), ["certified", "low", "high"]] = np.nan
    return table


def _sizes(certified: pd.DataFrame, attacked: Sequence[pd.DataFrame]) -> dict[Any, list[float]]:
    """The sizes for each kind of certificate: a grid up to the largest radius, and the sizes of attacks."""
    found = {}
    for kind, some in certified.groupby("certificate", sort=False):
        step = 1 if kind == "ablation" else _STEP
        grid = np.round(step * np.arange(int(some["radius"].fillna(0).max() / step) + 2), 4)
        found[kind] = sorted({*grid, *(size for one in attacked for size in one["size"][one["certificate"] == kind])})
    return found


def _at_sizes(certified: pd.DataFrame, attacked: pd.DataFrame | None, sizes: Sequence[float]) -> list[dict[str, Any]]:
    """Of the images of one run, at each of these sizes."""
    certified = certified.set_index("image")
    right = certified["radius"].where(certified["predicted"] == certified["label"])
    after = {} if attacked is None else {size: one.set_index("image") for size, one in attacked.groupby("size")}
    about = {"images": len(right), "abstained": float(certified["radius"].isna().mean())}
    about |= {"most": certified["most"].min()}
    lines = []
    for size in sizes:
        known = {"attacked": np.nan, "broken": np.nan}
        if size in after:
            stands = after[size]["stands"]
            fallen = right.reindex(stands.index[~stands.astype(bool)])
            known = {"attacked": float(stands.mean()), "broken": float((fallen >= size).sum())}
        lines.append({**about, "size": size, "certified": float((right >= size).mean()), **known})
    return lines


def _over_seeds(lines: pd.DataFrame) -> pd.DataFrame:
    """The same, seeds together."""
    by = ["title", "data", "model", "kind", *SETTINGS, "images", "size"]
    found = []
    for key, group in lines.groupby(by, sort=False):
        shares = group["certified"].to_numpy()
        known = dict(zip(by, key, strict=True))
        low, high = wilson(shares[0], known["images"]) if len(shares) == 1 else student(shares)[1:]
        ends = {"certified": shares.mean(), "low": max(low, 0), "high": min(high, 1)}
        means = {name: group[name].mean() for name in ("abstained", "most", "attacked", "broken")}
        found.append({**known, "seeds": len(shares), **ends, **means})
    return pd.DataFrame(found)


def _shown(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind of run and way of certifying, a column for each of a few sizes."""
    sizes, shown = _few_sizes(lines), []
    more = {"n0": "n0", "seed": "seed of copies"}
    for _, mine in lines.groupby(["title", "kind", *_APART], sort=False):
        one, at = mine.iloc[0], mine.set_index("size")
        word = "noise" if one["certificate"] == "gaussian" else "keep"
        shown.append(
            {
                "trained": one["title"],
                **{name: one[name] for name in varying(lines)},
                "copies": f"{word} {one['level']:g}",
                "n": f"{one['n']:,}",
                "alpha": f"{one['alpha']:g}",
                **{title: one[name] for name, title in more.items() if lines[name].nunique() > 1},
                "images": one["images"],
                "abstained, %": percent(one["abstained"]),
                "largest size": f"{one['most']:.3g}" if np.isfinite(one["most"]) else "",
                **{f"{size:g}": _cell(at, size) for size in sizes},
            }
        )
    return pd.DataFrame(shown)


def _few_sizes(lines: pd.DataFrame) -> list[float]:
    """Sizes worth a column: those of attacks, or else evenly spread ones."""
    if len(attacked := sorted(lines.loc[lines["attacked"].notna(), "size"].unique())):
        return [0.0, *attacked][: _COLUMNS + 1]
    sizes = sorted({0.0, *lines.loc[lines["certified"] > 0, "size"]})
    return sizes[:: -(-len(sizes) // _COLUMNS)]


def _cell(at: pd.DataFrame, size: float) -> str:
    line = at.loc[size]
    after = "" if pd.isna(line["attacked"]) else f" ({percent(line['attacked'])})"
    if pd.isna(line["certified"]):
        return f"beyond n{after}"
    return f"{percent(line['certified'])} [{percent(line['low'])}, {percent(line['high'])}]{after}"


def _figure(lines: pd.DataFrame, unit: str) -> Drawing:
    """A line for each kind of run and way of certifying; points are what attacks leave."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.8), layout="constrained")
        axis = figure.subplots()
        apart = [name for name in _APART[2:] if lines[name].nunique() > 1]
        for place, (_, mine) in enumerate(lines.groupby(["title", "kind", *_APART], sort=False)):
            one = mine.iloc[0]
            level = f" {one['level']:g}"
            label = one["title"] + f", copies{level}" * (level not in one["title"])
            label += "".join(f", {name}={one[name]:,}" for name in apart)
            _draw(axis, mine, label, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
        axis.set_xlabel(f"{unit}, certified")
        axis.xaxis.set_major_locator(MaxNLocator(integer=unit == UNITS["ablation"]))
        axis.set_ylabel("accuracy, %")
        axis.set_ylim(0, 102)
        axis.grid(axis="y", color="0.9", linewidth=0.6)
        legend_below(figure, columns=2)
    attacks = " Points: what attacks of that size leave." if lines["attacked"].notna().any() else ""
    ends = ", ".join(f"{one:.3g}" for one in sorted(lines["most"].unique()) if np.isfinite(one))
    ceiling = f" Lines end where their n copies certify no further, even if all have one class: {ends}." if ends else ""
    caption = f"Certified accuracy against the {unit}. Shaded: 95 % intervals.{attacks}{ceiling}"
    return Drawing(figure, caption, lines)


def _draw(axis: Axes, mine: pd.DataFrame, label: str, colour: str, marker: str) -> None:
    mine = mine.sort_values("size")
    axis.plot(mine["size"], 100 * mine["certified"], color=colour, label=label, linewidth=1.2)
    ends: Any = {"color": colour, "alpha": 0.15, "linewidth": 0}
    axis.fill_between(mine["size"], 100 * mine["low"], 100 * mine["high"], **ends)
    axis.plot(mine["size"], 100 * mine["attacked"], linestyle="", color=colour, marker=marker, markersize=4)
