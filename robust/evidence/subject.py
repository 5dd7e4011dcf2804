"""What a sheet is about: the runs of one kind, and what their files say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from robust.measure import NATURAL, TEST_KEY
from robust.report.tables import over_seeds, summary_table
from robust.runs import RunFolder, collect, find_runs, read_status
from robust.runs.titles import kind_folders, run_titles

_TEST = TEST_KEY[:2]


@dataclass(frozen=True)
class Subject:
    """Runs that differ by their seed alone, in the order of their seeds, and their rows."""

    folders: Sequence[Path]
    rows: pd.DataFrame

    @cached_property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """How each run ended (see `write_status`)."""
        return [read_status(folder).record or {} for folder in self.folders]

    @cached_property
    def lines(self) -> pd.DataFrame:
        """A line for each condition: `over_seeds`, with trials, and n, the number of images."""
        counts = self.rows.groupby(_TEST, sort=False).agg(trials=("trial", "nunique"), n=("n", "first"))
        return over_seeds(summary_table(self.rows, self.folders)).merge(counts.reset_index(), on=_TEST)

    @property
    def natural(self) -> pd.Series | None:
        """The line of natural images, where they were tested."""
        found = self.lines[self.lines["test_perturbation"] == NATURAL]
        return found.iloc[0] if len(found) else None

    @property
    def perturbed(self) -> pd.DataFrame:
        """The lines of all other conditions."""
        return self.lines[self.lines["test_perturbation"] != NATURAL].reset_index(drop=True)

    @property
    def seeds(self) -> int:
        """How many trainings there are."""
        return len(self.folders)

    @cached_property
    def predictions(self) -> pd.DataFrame | None:
        """The first run's predictions on natural images, where they were kept."""
        kept = RunFolder(self.folders[0]).read_predictions([*TEST_KEY, "label", "predicted"])
        found = kept[kept["test_perturbation"] == NATURAL] if kept is not None else []
        return found if len(found) else None


def read_subject(places: Sequence[Path]) -> Subject:
    """The finished runs at these places. Raises ValueError where they are of several kinds, or were tested on other
    numbers of images, and as `find_runs` and `collect`."""
    folders = find_runs(places)
    rows = collect(folders)
    kinds = rows.drop_duplicates("kind")
    if len(kinds) > 1:
        titles = list(run_titles(kinds, kind_folders(folders, kinds)))
        more = f" and {len(titles) - 6} others" if len(titles) > 6 else ""
        raise ValueError(
            f"An evidence sheet must be of one kind of run, whose seeds alone differ; these are {len(titles)}: "
            f"{', '.join(titles[:6])}{more}. Name the runs of one."
        )
    if (counts := rows.groupby(_TEST)["n"].nunique()).max() > 1:
        name = " ".join(map(str, counts.idxmax()))
        raise ValueError(f"All seeds must be tested on the same images; under {name} they are other numbers of them.")
    seeds = rows.drop_duplicates("run").set_index("run")["seed"].to_dict()
    first = rows.drop_duplicates("run")["run"].tolist()
    order = sorted(range(len(folders)), key=lambda place: seeds[first[place]])
    rows = rows.sort_values("seed", kind="stable", ignore_index=True)
    return Subject([folders[place] for place in order], rows)
