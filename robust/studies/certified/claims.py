"""Certified accuracies that were published, and that attacks break none."""

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
    measured = set(rows["run"])
    lines = certified_accuracy([one for one in folders if one.name in measured])
    subjects = [
        Subject(about["data"], functools.partial(_figure, mine), about)
        for key, mine in (lines.groupby(by, sort=False) if len(lines) else ())
        for about in [dict(zip(by, key, strict=True))]
    ]
    return decide(read_claims(__package__), subjects)


def _figure(lines: pd.DataFrame, asked: float | str) -> Figure | None:
    """Certified accuracy at a size, or how many certificates attacks of any size broke; None where there were none."""
    seeds = int(lines["seeds"].iloc[0])
    if asked == "broken":
        broken = lines["broken"].sum(min_count=1)
        return None if pd.isna(broken) else Figure(broken, broken, broken, seeds)
    found = 100 * lines.loc[lines["size"] == asked, ["certified", "low", "high"]].fillna(0)
    middle, low, high = found.to_numpy()[0] if len(found) else (0.0, 0.0, 0.0)
    return Figure(middle, low, high, seeds)
