"""What a run's tests say of a perturbation at its levels."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from robust.measure import NATURAL
from robust.perturb.corruptions import CORRUPTIONS
from robust.runs import RunFolder

#: levels of a perturbation: fewer make no curve
FEWEST = 4
_NOT_ONE_WAY = "triangle@"  # of which a middle level is best
_Odds = Mapping[tuple[str, float], np.ndarray]


class Tests(NamedTuple):
    """A run's tests under one perturbation: its levels, how often each image was recognised at each, shape (levels,
    images), and unperturbed; the images' labels; and `odds_counts` of its confidence, unperturbed and at each level,
    where they were kept."""

    levels: list[float]
    correct: np.ndarray
    natural: np.ndarray
    labels: bytes
    classes: int
    odds: list[np.ndarray] | None

    @property
    def guess(self) -> float:
        """The accuracy of a guess."""
        return 1 / max(self.classes, 2)


def read_by_perturbation(folder: Path, only: Collection[str] = ()) -> dict[str, Tests]:
    """A run's tests by perturbation, of those that were tested at enough levels; with `only`, of these."""
    files = RunFolder(folder)
    predictions = files.read_whole_tests()
    return {} if predictions is None else by_perturbation(predictions, odds=_odds(files), only=only)


def by_perturbation(
    predictions: pd.DataFrame, *, odds: _Odds = MappingProxyType({}), only: Collection[str] = ()
) -> dict[str, Tests]:
    """The same of predictions, those on natural images among them, and of what was kept of their confidence."""
    names = predictions["test_perturbation"]
    natural = predictions[names == NATURAL]
    if natural.empty:
        return {}
    labels, known = np.asarray(natural["label"].iloc[0]), _correct(natural)
    left_out = names.isin([NATURAL, *CORRUPTIONS]) | names.str.startswith(_NOT_ONE_WAY)
    found, chosen = {}, ~left_out & (names.isin([*only]) | (not only))
    for name, mine in predictions[chosen].groupby(names, sort=False):
        by_level = dict(sorted((level, _correct(some)) for level, some in mine.groupby("test_level") if level > 0))
        if len(by_level) >= FEWEST:
            correct = np.stack([*by_level.values()])
            counts = [odds[one] for one in ((NATURAL, 0.0), *((str(name), level) for level in by_level)) if one in odds]
            kept = counts if len(counts) == 1 + len(by_level) else None
            found[str(name)] = Tests([*by_level], correct, known, labels.tobytes(), len({*labels.tolist()}), kept)
    return found


def _odds(files: RunFolder) -> _Odds:
    """`odds_counts` of a run's tests under each condition, over its trials."""
    kept = files.read_confidence(["odds_counts"])
    groups = [] if kept is None else kept.groupby(["test_perturbation", "test_level"])["odds_counts"]
    return {(str(name), float(level)): np.sum([*some], axis=0) for (name, level), some in groups}


def _correct(tests: pd.DataFrame) -> np.ndarray:
    """How often each image was recognised, the mean over these trials."""
    return np.mean([one == other for one, other in zip(tests["label"], tests["predicted"], strict=True)], axis=0)
