"""What `benchmarks.gpu` measured, as a page, a table and a figure."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from robust.files import atomic_write
from robust.report.figures import COLOURS, MARKERS, STYLE
from robust.runs import git_commit


@dataclass(frozen=True)
class Line:
    """One figure: what was measured, on what, how, and what came out; NaN where nothing did."""

    section: str
    data: str
    how: str
    at_a_time: int
    figure: float = np.nan
    unit: str = ""
    note: str = ""


def shown(line: Line) -> str:
    """A figure with its unit."""
    return "" if np.isnan(line.figure) else f"{line.figure:,.4g} {line.unit}"


def write_page(lines: Sequence[Line], out: Path) -> None:
    """Writes README.md, gpu.csv and gpu.svg to the folder `out`."""
    table = pd.DataFrame([asdict(line) for line in lines])
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores, no GPU"
    text = [
        "# Many models on one device",
        "",
        f"`make bench-gpu` on {machine}, torch {torch.__version__}, commit {git_commit() or 'unknown'}.",
        "",
        "![Steps a second against the number of runs at a time](gpu.svg)",
        "",
        "| what | data | how | at a time | figure | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {line.section} | {line.data} | {line.how} | {line.at_a_time} | {shown(line)} | {line.note} |"
            for line in lines
        ),
    ]
    atomic_write(out / "gpu.csv", table.to_csv(index=False))
    atomic_write(out / "README.md", "\n".join(text) + "\n")
    _draw(table[table["section"] == "pack"]).savefig(out / "gpu.svg")


def _draw(packs: pd.DataFrame) -> Figure:
    sets = list(dict.fromkeys(packs["data"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4 * len(sets), 3.4), layout="constrained")
        for axis, data in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
            mine = packs[(packs["data"] == data) & packs["figure"].notna()]
            for place, (how, each) in enumerate(mine.groupby("how", sort=False)):
                axis.plot(each["at_a_time"], each["figure"], color=COLOURS[place], marker=MARKERS[place], label=how)
            axis.set_xticks(sorted(mine["at_a_time"].unique()))
            axis.set(title=data, xlabel="runs at a time", ylabel="steps a second, of all", ylim=(0, None))
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure
