"""What a search tries next, and which training it stops: functions of what was tried.

Optuna's tree-structured Parzen estimator suggests recipes (Bergstra et al. 2011; for several objectives Ozaki et al.
2022). A training is measured at rungs and stops there unless it is among the better half of those that came so far; it
goes on when others that came have made it one of them (asynchronous successive halving, Li et al. 2020).
"""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from robust.perturb import key
from robust.runs.searches import ACCURACIES, SearchFolder, Stage, Trial, dominates
from robust.sweep.jobs import Dimension, Interval, Space

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial

#: the shares of a training after which it is measured
RUNGS = (1 / 8, 1 / 4, 1 / 2)
_KEPT = 2  # of so many one goes on
_DRAWN = 6  # recipes before the first that is suggested by what was found
_SPACE = "space"  # what Optuna knows the choice of a product by
_DRAWS = 20  # until what is suggested was not tried; of intervals, for which no list says what is left


@dataclass(frozen=True)
class Search:
    """What is looked for, in which `spaces`: `objective`, some of ACCURACIES; within so many `seconds` of computing
    and `joules`, among so many `runs`; with `race` hopeless trainings are stopped. Images are shown `under` these
    levels by the name of a perturbation; `around`: what the command says besides, for each of the spaces."""

    spaces: Sequence[Space]
    objective: Sequence[str]
    seconds: float | None = None
    joules: float | None = None
    runs: int | None = None
    race: bool = True
    seed: int = 0
    under: Mapping[str, Any] = field(default_factory=dict)
    around: Sequence[list[str]] = ()

    @classmethod
    def read(cls, files: SearchFolder) -> Self:
        """As the folder of a search describes it."""
        about = files.settings()
        spaces = [[Interval(**one) if isinstance(one, dict) else one for one in space] for space in about["spaces"]]
        names = ("objective", "joules", "runs", "race", "seed", "under", "around")
        return cls(spaces, seconds=about["minutes"] and 60 * about["minutes"], **{name: about[name] for name in names})

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
        return Trial(len(trials), space, job, " ".join(itertools.compress(job, telling(self.spaces)[space])))

    def is_used(self, trials: Sequence[Trial]) -> bool:
        """Whether the trials took all the time, or energy, that there is."""
        took = ((self.seconds, sum(one.seconds for one in trials)), (self.joules, sum(one.joules for one in trials)))
        return any(most is not None and used >= most for most, used in took)

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
        """What Optuna suggests, once it was told of the trials."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(n_startup_trials=_DRAWN, seed=seed)
        study = optuna.create_study(directions=["maximize"] * len(self.objective), sampler=sampler)
        for trial in trials:
            chosen = zip(self.spaces[trial.space], trial.job, strict=True)
            study.enqueue_trial({_SPACE: trial.space, **{str(one): _value(one, override) for one, override in chosen}})
            told = study.ask()
            self._draw(told)
            if trial.stage is Stage.DONE:
                study.tell(told, trial.values(self.objective))
            elif trial.stage is Stage.STOPPED:
                if len(self.objective) == 1:  # of several Optuna keeps nothing but what they came to in the end
                    told.report(trial.values(self.objective)[0], len(trial.measured))
                study.tell(told, state=optuna.trial.TrialState.PRUNED)
            elif trial.stage is Stage.FAILED:
                study.tell(told, state=optuna.trial.TrialState.FAIL)
        return self._draw(study.ask())

    def _draw(self, asked: "OptunaTrial") -> tuple[int, list[str]]:
        """The product and the overrides that Optuna asks for."""
        space = asked.suggest_categorical(_SPACE, range(len(self.spaces)))
        job = []
        for one in self.spaces[space]:
            if isinstance(one, Interval):
                suggest: Any = asked.suggest_int if isinstance(one.low, int) else asked.suggest_float
                job.append(one.override(suggest(str(one), one.low, one.high, log=one.log)))
            else:
                job.append(str(asked.suggest_categorical(str(one), one)) if is_choice(one) else one[0])
        return space, job


def _value(dimension: Dimension, override: str) -> str | float:
    """What Optuna knows an override by; one of an interval was rounded."""
    if not isinstance(dimension, Interval):
        return override
    return min(max(float(override.partition("=")[2]), dimension.low), dimension.high)


def rungs(epochs: int) -> list[int]:
    """The epochs after which a training of so many is measured."""
    return [math.ceil(share * epochs) for share in RUNGS]


def is_choice(dimension: Dimension) -> bool:
    """Whether there is something to choose."""
    return isinstance(dimension, Interval) or len(dimension) > 1


def telling(spaces: Sequence[Space]) -> list[list[bool]]:
    """Of each product which dimensions tell its recipes: those with a choice, and those that another product lacks."""
    return [[is_choice(one) or not all(one in other for other in spaces) for one in space] for space in spaces]
