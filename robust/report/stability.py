"""How stable networks are under sequences of frames."""

import pandas as pd

from robust.measure.stability_scores import DISTANCES, FLIPS
from robust.report.section import Table
from robust.report.tables import intervals_note, varying, with_interval

_NOTE = (
    "Mean flip probability: how often a prediction changes from frame to frame, over ten sequences. Mean top-5 "
    "distance: by how many ranks the five likeliest classes move, 0 to 18. Of one seed [low, high] are over images."
)
_RATE = "mFR and mT5D: beside the natural model's, sequence by sequence (published: AlexNet's)."


def stability_table(lines: pd.DataFrame) -> Table:
    """What runs come to in the mean over the sequences, of `stability_lines`."""
    cells = {
        title: [with_interval(line, name) for _, line in lines.iterrows()]
        for title, name in (
            *(("mean flip probability, %", FLIPS.mean), ("mFR, %", FLIPS.mean_rate)),
            ("mT5D, %", DISTANCES.mean_rate),
        )
        if lines[name].notna().any()
    }
    distances = lines[DISTANCES.mean]
    cells |= {"mean top-5 distance": [f"{one:.2f}" for one in distances]} if distances.notna().any() else {}
    seeds = {"seeds": lines["seeds"]} if (lines["seeds"] > 1).any() else {}
    first = {"trained": lines["title"], **{name: lines[name] for name in varying(lines)}, **seeds, "images": lines["n"]}
    notes = [_NOTE, _RATE if lines[FLIPS.mean_rate].notna().any() else "", intervals_note(lines["seeds"])]
    return Table(pd.DataFrame({**first, **cells}), lines, " ".join(filter(None, notes)))
