"""How networks do on photographs that networks get wrong."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.report.section import Section, Table
from robust.report.tables import calibration_columns, interval_column, percent
from robust.runs import RunFolder
from robust.runs.titles import run_title


def natural_adversarial_section(folders: Sequence[Path]) -> Section:
    """What came of these runs there; nothing where none was tested so."""
    tables = [own for folder in folders if (own := RunFolder(folder).read_natural_adversarial()) is not None]
    if not tables:
        return Section("")
    table = pd.concat(tables, ignore_index=True)
    shown = pd.DataFrame(
        {
            **({"data": table["data"]} if table["data"].nunique() > 1 else {}),
            "model": table["model"],
            "trained": table.apply(run_title, axis=1),
            "seed": table["seed"],
            "photographs": table["n"],
            "of classes": table["classes"],
            "may answer with": table["scored"],
            "accuracy, %": table["accuracy"].map(percent),
            **interval_column(table),
            **calibration_columns(table),
        }
    )
    text = "Photographs that are of the model's classes and that networks get wrong (arXiv 1907.07174)."
    note = (
        "Shared classes: of its answers only those count that a photograph may be of. Intervals over images (Wilson)."
    )
    return Section("Natural adversarial examples", text, {}, {"natural-adversarial": Table(shown, table, note)})
