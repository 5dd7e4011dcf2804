"""How stable networks are under each sequence of frames."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.measure.stability_scores import DISTANCES, FLIPS
from robust.report.section import Section, Table
from robust.report.stability import stability_table
from robust.report.tables import varying, with_interval
from robust.runs.stability import stability_lines

_TEXT = (
    "Pictures that change a little from frame to frame, in the ten ways of ImageNet-P and CIFAR-10-P (Hendrycks and "
    "Dietterich 2019, arXiv 1903.12261), recreated. A flip: a frame that is not predicted as the one before; of noise, "
    "not as the picture without."
)
_EACH = "Flip probability: of an image's frames, which share flips; the mean over images."
_RATE = (
    " Flip rate (FR): beside that of the natural model, below 100 % is better; none where that never flips. T5D: the "
    "same of the top-5 distance, by how many ranks the five likeliest classes move."
)
_ABOUT, _ENDS = ("title", "data", "model", "seeds", "n"), ("", "_low", "_high")


def stability_section(folders: Sequence[Path]) -> Section:
    """What came of these runs there; nothing where none was tested so."""
    if (lines := stability_lines(folders)) is None:
        return Section("")
    tables = {"stability": stability_table(lines), "stability-each": _each(lines)}
    return Section("Stability under sequences of frames", _TEXT, {}, tables)


def _each(lines: pd.DataFrame) -> Table:
    """A line for each sequence and kind of run."""
    parts = []
    for name in FLIPS.each:
        own = {FLIPS.each[name]: "flips", FLIPS.rates[name]: "fr", DISTANCES.rates[name]: "t5d"}
        columns = {f"{figure}{end}": title + end for figure, title in own.items() for end in _ENDS}
        parts.append(lines[[*_ABOUT, *columns]].rename(columns=columns).assign(sequence=name))
    each = pd.concat(parts, ignore_index=True)
    about = {name: each[name] for name in ("sequence", *varying(lines))}
    cells = {"flip probability, %": "flips", "FR, %": "fr", "T5D, %": "t5d"}
    shown = {
        title: [with_interval(line, name) for _, line in each.iterrows()]
        for title, name in cells.items()
        if each[name].notna().any()
    }
    return Table(pd.DataFrame({**about, "trained": each["title"], **shown}), each, _EACH + _RATE * ("FR, %" in shown))
