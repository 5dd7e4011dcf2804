"""What trainings were expected to do to the limits of a camera."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from robust.measure.claims import FEWEST_SEEDS, Figure, Subject, decide, read_claims
from robust.tolerated import tolerated_levels

#: the figures of claims: which ratio of tolerated levels, and whether it is turned round, so that more is better
_FIGURES = {"iso": ("iso", False), "shutter": ("shutter", False), "aperture": ("defocus", True)}
_FIGURES |= {"brightness": ("light", True)}


def camera_claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each claim about a training, called by its technique and what it was trained on, that runs of at least
    three seeds follow, and whose tolerated levels are known beside the natural runs'."""
    levels = tolerated_levels(folders, rows)
    levels = levels[(levels["seeds"] >= FEWEST_SEEDS) & levels["ratio"].notna()]
    subjects = [
        Subject(str(data), _measured(mine), {"training": _training(str(title))})
        for (data, _, title), mine in levels.groupby(["data", "model", "title"], sort=False)
    ]
    return decide(read_claims(__package__), subjects)


def _training(title: str) -> str:
    """What a training is called: of "constant camera@phone_9 3200" that is "constant camera"."""
    technique, *perturbed = title.split()[:2]
    return " ".join([technique, *(one.partition("@")[0] for one in perturbed)])


def _measured(levels: pd.DataFrame) -> Callable[[str], Figure | None]:
    """What a claim's `figure` names."""
    known = levels.set_index(levels["perturbation"].str.partition("@")[0])

    def figure(asked: str) -> Figure | None:
        name, turned = _FIGURES[asked]
        if name not in known.index or isinstance(known.loc[name], pd.DataFrame):  # of several cameras
            return None
        line = known.loc[name]
        ends = [line["ratio"], line["ratio_low"], line["ratio_high"]]
        middle, low, high = [1 / ends[0], 1 / ends[2], 1 / ends[1]] if turned else ends
        return Figure(middle, low, high, int(line["seeds"]))

    return figure
