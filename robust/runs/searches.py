"""The folder of a search: what it looks for, and every recipe that it tried."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from robust.files import atomic_write
from robust.files.claiming import claimed_file, claimed_in_turn, holder
from robust.runs.folder import RunFolder
from robust.runs.formats import DamagedError, read_json

#: the accuracies on validation images that a search measures: on natural ones, the mean over perturbations, the least
#: under one of them
ACCURACIES = ("natural", "mean", "worst")
_PREFIX, _SETTINGS = "search-", "search.json"


class Stage(StrEnum):
    """How far a recipe has come."""

    DONE = "done"
    STOPPED = "stopped early"
    UNDER_WAY = "under way"
    FAILED = "failed"


@dataclass
class Trial:
    """A recipe that is tried: its place among those of the search, that of the product that it is of, the overrides of
    its run, and in words what of them was chosen."""

    number: int
    space: int
    job: list[str]
    recipe: str
    epochs: int = 0  # of the whole training
    #: after so many epochs, and seconds, these accuracies (see ACCURACIES), fractions
    measured: list[tuple[int, float, list[float]]] = field(default_factory=list)
    seconds: float = 0  # that it took up to now
    stage: Stage = Stage.UNDER_WAY
    reason: str = ""  # why it failed
    run: str = ""  # the name of the run's folder
    joules: float = 0  # that it took up to now

    def values(self, objective: Sequence[str]) -> list[float]:
        """What it came to last, in these of ACCURACIES."""
        return [self.measured[-1][2][ACCURACIES.index(name)] for name in objective]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is nowhere worse, and somewhere better."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and [*one] != [*other]


def front(trials: Iterable[Trial], objective: Sequence[str]) -> list[Trial]:
    """Those that are done and than which no other is better in one objective and nowhere worse; of one objective the
    best, the first of equals."""
    done = [one for one in trials if one.stage is Stage.DONE]
    values = [one.values(objective) for one in done]
    best = [one for one, mine in zip(done, values, strict=True) if not any(dominates(other, mine) for other in values)]
    return best if len(objective) > 1 else best[:1]


@dataclass(frozen=True)
class SearchFolder:
    """The folder of a search, at `path`, and each of its files read and written."""

    path: Path

    @classmethod
    def within(cls, runs_dir: Path) -> "list[SearchFolder]":
        """Those of all searches that lie there."""
        return [cls(one.parent) for one in sorted(runs_dir.glob(f"{_PREFIX}*/{_SETTINGS}"))]

    @classmethod
    def named(cls, runs_dir: Path, digest: str) -> "SearchFolder":
        """That of the search with this digest."""
        return cls(runs_dir.absolute() / f"{_PREFIX}{digest}")

    def settings(self) -> dict[str, Any]:
        """What it looks for: `objective`, some of ACCURACIES; `minutes`, `joules`, `runs` and `race` as they were
        asked for; `size`, how many recipes there are, or null; `spaces`, products of what they are chosen from, and
        `among`, these in words; `around`, what the command says besides, for each of these."""
        return read_json(self.path / _SETTINGS, {"objective": list, "spaces": list, "around": list})

    def write_settings(self, settings: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path / _SETTINGS, json.dumps(settings, indent=2, default=dataclasses.asdict))

    def trials(self) -> list[Trial]:
        """Every recipe that was tried, in the order in which they began."""
        return [_read(path) for path in sorted(self.path.glob("trial-*.json"))]

    def read(self) -> tuple[dict[str, Any], list[Trial]]:
        """Both."""
        return self.settings(), self.trials()

    def write(self, trial: Trial) -> None:
        atomic_write(self.path / f"trial-{trial.number:05d}.json", json.dumps(dataclasses.asdict(trial)))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While one process decides what it tries, the others wait."""
        with claimed_in_turn(RunFolder(self.path).claim, self.path.name):
            yield

    def claim(self, trial: Trial) -> Any:
        """Holds a recipe, that no other process tries it, as `claimed_file` does."""
        return claimed_file(self._claim(trial))

    def under_way(self) -> dict[Path, str]:
        """The claims of recipes that processes are at work on, and what to call them."""
        return {path: trial.recipe for trial in self.trials() if holder(path := self._claim(trial))}

    def is_free(self, trial: Trial) -> bool:
        """Whether no process is at work on it."""
        return holder(self._claim(trial)) is None

    def _claim(self, trial: Trial) -> Path:
        return self.path / f"claim-{trial.number:05d}.json"


def _read(path: Path) -> Trial:
    content = read_json(path, {"number": int, "job": list, "recipe": str, "measured": list, "stage": str, "run": str})
    try:
        measured = [
            (int(epoch), float(seconds), [float(one) for one in found][: len(ACCURACIES)])
            for epoch, seconds, found in content["measured"]
        ]
        return Trial(**{**content, "measured": measured, "stage": Stage(content["stage"])})
    except (TypeError, ValueError) as error:
        raise DamagedError(path, error) from error
