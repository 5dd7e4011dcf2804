"""What a search tries next, and which training it stops: functions of what was tried.

Optuna's tree-structured Parzen estimator suggests recipes (Bergstra et al. 2011; for several objectives Ozaki et al.
2022). A training is measured at rungs and stops there unless it is among the better half of those that came so far; it
goes on when others that came have made it one of them (asynchronous successive halving, Li et al. 2020).
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from robust.perturb import key
from robust.runs.searches import ACCURACIES, SearchFolder, Stage, Trial, dominates
from robust.sweep.jobs import Dimension, Interval, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial

#: the shares of a training after which it is measured
RUNGS = (1 / 8, 1 / 4, 1 / 2)
_KEPT = 2  # of so many one goes on
_DRAWN = 6  # recipes before the first that is suggested by what was found
_SPACE = "space"  # what Optuna knows the choice of a product by
_DRAWS = 20  # until what is suggested was not tried; of intervals, for which no list says what is left


@dataclass(frozen=True)
class Search:
    """What is looked for, in which `spaces`: `objective`, some of ACCURACIES; within so many `seconds` of computing,
    among so many `runs`; with `race` hopeless trainings are stopped."""

    spaces: Sequence[Space]
    objective: Sequence[str]
    seconds: float | None = None
    runs: int | None = None
    race: bool = True
    seed: int = 0

    @classmethod
    def read(cls, files: SearchFolder) -> Self:
        """As the folder of a search describes it."""
        about = files.settings()
        spaces = [[Interval(**one) if isinstance(one, dict) else one for one in space] for space in about["spaces"]]
        seconds = about["minutes"] and 60 * about["minutes"]
        return cls(spaces, about["objective"], seconds, about["runs"], about["race"], about["seed"])

    def next_trial(self, trials: Sequence[Trial], free: Sequence[Trial]) -> Trial | None:
        """What to go on with, or a recipe to begin; None where nothing is left, or the budget is used. `free`: those of
        the trials that no process is at work on."""
        if self.is_used(trials):
            return None
        for trial in free:
            if trial.stage is Stage.UNDER_WAY:
                return trial
        if waiting := [one for one in free if one.stage is Stage.STOPPED and self.stands(one, trials)]:
            return max(waiting, key=lambda one: one.measured[-1][0] / one.epochs)
        if self.runs is not None and len(trials) >= self.runs:
            return None
        if (found := self._suggest(trials)) is None:
            return None
        space, job = found
        return Trial(len(trials), space, job, self._recipe(space, job))

    def is_used(self, trials: Sequence[Trial]) -> bool:
        """Whether the trials took all the time that there is."""
        return self.seconds is not None and sum(one.seconds for one in trials) >= self.seconds

    def stands(self, trial: Trial, trials: Sequence[Trial]) -> bool:
        """Whether a trial is among the better half at the last rung that it came to."""
        if not self.race or not (reached := [rung for rung in range(len(RUNGS)) if self._score(trial, rung)]):
            return True
        mine = self._score(trial, reached[-1])
        peers = [score for one in trials if (score := self._score(one, reached[-1]))]
        return sum(dominates(one, mine) for one in peers) < max(1, len(peers) // _KEPT)

    def _score(self, trial: Trial, rung: int) -> list[float]:
        """What it came to at a rung; nothing where it was not measured there."""
        if not trial.epochs:
            return []
        epoch = rungs(trial.epochs)[rung]
        places = [ACCURACIES.index(name) for name in self.objective]
        return next(([found[place] for place in places] for at, _, found in trial.measured if at == epoch), [])

    def _recipe(self, space: int, job: Sequence[str]) -> str:
        """What was chosen: also what a product says, where there are several."""
        chosen = zip(self.spaces[space], job, strict=True)
        shared = [one for one in self.spaces[0] if all(one in other for other in self.spaces)]
        return " ".join(one for dimension, one in chosen if is_choice(dimension) or dimension not in shared)

    def _suggest(self, trials: Sequence[Trial]) -> tuple[int, list[str]] | None:
        """A recipe that was not tried, and the product that it is of; None where all were. Where the one suggested was
        tried, it is of the others one that differs least."""
        tried = {tuple(one.job) for one in trials}
        whole = [all(isinstance(one, list) for one in space) for space in self.spaces]
        for turn in range(1 if all(whole) else _DRAWS):
            seed = key("search", self.seed, len(trials), turn) % 2**32
            space, job = self._ask(trials, seed)
            if tuple(job) not in tried:
                return space, job
        left = [
            (place, list(one))
            for place, dimensions in enumerate(self.spaces)
            if whole[place]
            for one in itertools.product(*(one for one in dimensions if isinstance(one, list)))
            if one not in tried
        ]
        random.Random(seed).shuffle(left)  # noqa: S311, no secret
        return min(left, key=lambda one: len({*one[1]} ^ {*job}), default=None)

    def _ask(self, trials: Sequence[Trial], seed: int) -> tuple[int, list[str]]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(n_startup_trials=_DRAWN, seed=seed)
        study = optuna.create_study(directions=["maximize"] * len(self.objective), sampler=sampler)
        study.add_trials([self._told(one) for one in trials if one.stage is not Stage.FAILED])
        asked = study.ask()
        space = asked.suggest_categorical(_SPACE, range(len(self.spaces))) if len(self.spaces) > 1 else 0
        return space, [_draw(asked, one) for one in self.spaces[space]]

    def _told(self, trial: Trial) -> "FrozenTrial":
        """What Optuna is told of a trial."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        chosen = [_chosen(*one) for one in zip(self.spaces[trial.space], trial.job, strict=True)]
        if len(self.spaces) > 1:
            chosen.append({_SPACE: (CategoricalDistribution(range(len(self.spaces))), trial.space)})
        known = {name: one for some in chosen for name, one in some.items()}
        about: dict[str, Any] = {"params": {name: value for name, (_, value) in known.items()}}
        about["distributions"] = {name: distribution for name, (distribution, _) in known.items()}
        if trial.stage is Stage.DONE:
            return create_trial(values=trial.values(self.objective), **about)
        if trial.stage is Stage.UNDER_WAY:
            return create_trial(state=TrialState.RUNNING, **about)
        if len(self.objective) == 1:
            about["intermediate_values"] = {
                rung: one[0] for rung in range(len(RUNGS)) if (one := self._score(trial, rung))
            }
        return create_trial(state=TrialState.PRUNED, **about)


def rungs(epochs: int) -> list[int]:
    """The epochs after which a training of so many is measured."""
    return [math.ceil(share * epochs) for share in RUNGS]


def is_choice(dimension: Dimension) -> bool:
    """Whether there is something to choose."""
    return isinstance(dimension, Interval) or len(dimension) > 1


def _draw(asked: "OptunaTrial", dimension: Dimension) -> str:
    """The override that Optuna suggests."""
    if not is_choice(dimension):
        return dimension[0]
    if not isinstance(dimension, Interval):
        return str(asked.suggest_categorical(_name(dimension), dimension))
    suggest: Any = asked.suggest_int if isinstance(dimension.low, int) else asked.suggest_float
    return dimension.override(suggest(_name(dimension), dimension.low, dimension.high, log=dimension.log))


def _chosen(dimension: Dimension, override: str) -> "dict[str, tuple[BaseDistribution, Any]]":
    """The same for what was chosen before, by the name that Optuna knows it by; nothing where there was no choice."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not is_choice(dimension):
        return {}
    if not isinstance(dimension, Interval):
        return {_name(dimension): (CategoricalDistribution(dimension), override)}
    low, high, value = dimension.low, dimension.high, float(override.partition("=")[2])
    value = min(max(value, low), high)  # it was rounded
    if isinstance(low, int) and isinstance(high, int):
        return {_name(dimension): (IntDistribution(low, high, log=dimension.log), int(value))}
    return {_name(dimension): (FloatDistribution(low, high, log=dimension.log), value)}


def _name(dimension: Dimension) -> str:
    return str(dimension)
