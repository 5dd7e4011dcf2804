"""How stable networks are under sequences of frames."""

import pandas as pd

from robust.measure.stability_scores import MEAN, MEAN_RATE
from robust.report.section import Table
from robust.report.tables import intervals_note, varying, with_interval

_NOTE = (
    "Mean flip probability: how often a prediction changes from frame to frame, over ten sequences. Of one seed [low, "
    "high] are over images."
)
_RATE = "mFR: beside the natural model's, sequence by sequence (published: beside AlexNet's)."


def stability_table(lines: pd.DataFrame) -> Table:
    """What runs come to in the mean over the sequences, of `stability_lines`."""
    cells = {
        title: [with_interval(line, name) for _, line in lines.iterrows()]
        for title, name in (("mean flip probability, %", MEAN), ("mFR, %", MEAN_RATE))
        if lines[name].notna().any()
    }
    seeds = {"seeds": lines["seeds"]} if (lines["seeds"] > 1).any() else {}
    first = {"trained": lines["title"], **{name: lines[name] for name in varying(lines)}, **seeds, "images": lines["n"]}
    notes = [_NOTE, _RATE if lines[MEAN_RATE].notna().any() else "", intervals_note(lines["seeds"])]
    return Table(pd.DataFrame({**first, **cells}), lines, " ".join(filter(None, notes)))
