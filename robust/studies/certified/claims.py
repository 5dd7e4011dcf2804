"""Certified accuracies that were published, and that none is above what attacks leave."""

import functools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.measure.claims import Figure, Subject, decide, read_claims
from robust.report.certificates import certified_accuracy


def certified_claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each claim about the data, the copies and their level that runs of these rows were certified by, in
    percent."""
    by = ["data", "kind", "certificate", "level", "n", "images"]
    lines = certified_accuracy([one for one in folders if one.name in set(rows["run"])])
    subjects = [
        Subject(about["data"], functools.partial(_figure, mine), about)
        for key, mine in (lines.groupby(by, sort=False) if len(lines) else ())
        for about in [dict(zip(by, key, strict=True))]
    ]
    return decide(read_claims(__package__), subjects)


def _figure(lines: pd.DataFrame, asked: float | str) -> Figure | None:
    """Certified accuracy at a size, or by how much it is above what attacks leave, where that is most; None where that
    is not known."""
    seeds = int(lines["seeds"].iloc[0])
    if asked == "attacked":
        above = (100 * (lines["certified"] - lines["attacked"])).max()
        return None if pd.isna(above) else Figure(above, above, above, seeds)
    found = 100 * lines.loc[lines["size"] == asked, ["certified", "low", "high"]]
    return Figure(*found.iloc[0], seeds) if len(found) else Figure(0.0, 0.0, 0.0, seeds)
