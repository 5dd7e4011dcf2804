"""How networks do on published test sets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from robust.measure.published_scores import ARRAYS, UNSCORED, published_scores
from robust.report.section import Section, Table
from robust.report.tables import calibration_columns, interval_column, percent, varying, with_interval
from robust.runs import RunFolder
from robust.runs.titles import plain_titles

_TEXT = (
    "Images of others: corruptions as they were published, other pictures of the same classes. Means over corruptions "
    "and severities; each is in the CSV."
)
_NOTE = (
    "Intervals over images (Wilson). Of a set with some of the data's classes, only these count as answers. "
    f"In no mean: {', '.join(UNSCORED)}."
)
_PAIRED = " Against natural: less the natural model, image by image, with its interval over images."
_SEEN = " Seen: how many of its corruptions the training contained, or had others of their family."
_RECREATED = " Recreated: made again with robust store, not comparable with published figures."


def published_section(folders: Sequence[Path]) -> Section:
    """What came of these runs there; nothing where none was tested so."""
    table = published_table(folders)
    return Section("") if table is None else Section("Published test sets", _TEXT, {}, {"published": table})


def published_table(folders: Sequence[Path]) -> Table | None:
    """A line for each run and set: mean accuracy over its tests; None where none was tested so."""
    found = [own for folder in folders if (own := RunFolder(folder).read_published()) is not None]
    if not found:
        return None
    rows = pd.concat(found, ignore_index=True)
    lines = published_scores(rows)
    against = [with_interval(line, "against", sign=True) for _, line in lines.iterrows()]
    seeds, title = ({"seed": lines["seed"]} if lines["seed"].nunique() > 1 else {}), "against natural, points"
    columns = {"tests": "tests", "images": "n", "classes": "classes"}
    shown = pd.DataFrame(
        {
            **{name: lines[name] for name in varying(lines)},
            "trained": plain_titles(lines),
            **seeds,
            "set": lines["set"] + np.where(lines["recreated"], " (recreated)", ""),
            **{column: lines[name] for column, name in columns.items()},
            "accuracy, %": lines["accuracy"].map(percent),
            **interval_column(lines),
            **calibration_columns(lines),
            **({title: against} if any(against) else {}),
            **({"seen": lines["seen"]} if "seen" in lines else {}),
        }
    )
    note = _NOTE + _PAIRED * any(against) + _RECREATED * bool(lines["recreated"].any())
    note += _SEEN * ("seen" in lines)
    return Table(shown, rows.drop(columns=ARRAYS), note)
