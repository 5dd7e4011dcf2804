"""How stable the networks of runs are under sequences of frames."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL
from robust.measure.stability_scores import stability_of_kinds, stability_scores
from robust.runs.folder import RunFolder
from robust.runs.titles import kind_folders, run_titles


def stability_lines(folders: Sequence[Path]) -> pd.DataFrame | None:
    """A line for each kind of run that was tested so, natural ones first: its title, data and model, and what
    `stability_of_kinds` says of it; None where none was."""
    found = [own for folder in folders if (own := RunFolder(folder).read_stability()) is not None]
    if not found:
        return None
    rows = pd.concat(found, ignore_index=True)
    runs = rows.drop_duplicates("run").set_index("run", drop=False)
    runs = runs.sort_values("technique", key=lambda names: names != NATURAL, kind="stable")
    lines = stability_of_kinds(stability_scores(rows), runs["kind"])
    about = runs.assign(title=run_titles(runs, kind_folders(folders, runs))).drop_duplicates("kind").set_index("kind")
    return about[["title", "data", "model"]].join(lines).reset_index(drop=True)
