"""How far runs' trainings lie from what they are tested under, where that was measured."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from robust.runs.folder import RunFolder

#: the file, and its columns (see `robust.measure.distance`)
DISTANCES = "distances.parquet"
DISTANCE_COLUMNS = ["test_perturbation", "test_level", "distance", "natural_distance", "minimal_distance"]


def read_distances(folder: RunFolder) -> pd.DataFrame | None:
    """A run's distances; None where they were not measured."""
    return folder.read_extra_table(DISTANCES, DISTANCE_COLUMNS)


def with_distances(summary: pd.DataFrame, folders: Iterable[Path]) -> pd.DataFrame:
    """A summary with the `distance` of each of its lines, NaN where it was not measured; as it is where none was."""
    tables = [own.assign(run=one.name) for one in folders if (own := read_distances(RunFolder(one))) is not None]
    if not tables:
        return summary
    known = pd.concat(tables)[["run", *DISTANCE_COLUMNS[:3]]]
    return summary.merge(known, on=["run", *DISTANCE_COLUMNS[:2]], how="left")
