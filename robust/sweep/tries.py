"""A process of a search: one recipe after the other, trained and measured on validation images."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from robust.errors import one_line, print_error
from robust.experiment.compose import compose, perturbation_choices
from robust.experiment.conditions import build_conditions
from robust.experiment.evaluate import load_for_tests
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import Preparation
from robust.experiment.threads import computing
from robust.files.claiming import say
from robust.learn import PausedError, Pausing, on_gpu, validate
from robust.measure import Condition
from robust.models import device_of
from robust.runs import Config, State
from robust.runs.price import Meter
from robust.runs.searches import SearchFolder, Stage, Trial
from robust.sweep.suggest import Search, rungs

#: what names the folder of the search that a process works for; the overrides behind it are for each of its runs
AT = "++sweep.search.at="


def is_of_search(overrides: Sequence[str]) -> bool:
    """Whether these are of a process that works for a search."""
    return any(one.startswith(AT) for one in overrides)


def validation_conditions(config: Config, under: Mapping[str, Any], shape: tuple[int, int, int]) -> list[Condition]:
    """What a search shows validation images under: as they are, and levels by the name of a perturbation."""
    families = sorted({choice.family for choice in perturbation_choices(under).values()})
    asked = {"conditions": under, "families": families, "own_family": False, "once": []}
    return build_conditions(config.changed({f"evaluation.{name}": one for name, one in asked.items()}), shape)


def work(overrides: Sequence[str]) -> str:
    """Tries recipes until the search has nothing left to try, or its budget is used; one that a process left which is
    gone goes on where it was. Returns "", as nothing that goes wrong with a recipe ends the search."""
    config = compose(overrides)
    files = SearchFolder(Path(config.runs_dir).absolute() / config.sweep.search.at)
    search, gpus = Search.read(files), int(on_gpu(config.trainer.accelerator))
    behind = overrides[next(place for place, one in enumerate(overrides) if one.startswith(AT)) + 1 :]
    preparation = Preparation(tests=False)
    while True:
        with contextlib.ExitStack() as held:
            with files.turn():
                trials = files.trials()
                trial = search.next_trial(trials, [one for one in trials if files.is_free(one)])
                if trial is None:
                    return ""
                held.enter_context(files.claim(trial))
                trial.stage = Stage.UNDER_WAY
                files.write(trial)
            _Attempt(files, search, trial, gpus=gpus).make(
                preparation, [*trial.job, *search.around[trial.space], *behind]
            )


class _Attempt:
    """A recipe that this process tries, and what is known of it so far."""

    def __init__(self, files: SearchFolder, search: Search, trial: Trial, *, gpus: int) -> None:
        self.files, self.search, self.trial = files, search, trial
        self.begun, self.joules = time.monotonic() - trial.seconds, trial.joules
        self.meter, self.counting = Meter(gpus=gpus), contextlib.ExitStack()

    def make(self, preparation: Preparation, job: Sequence[str]) -> None:
        """Trains it, from where it is, to its end or until it is hopeless or the budget is used."""
        trial = self.trial
        self._count()
        try:
            run = preparation.prepare(job)
            trial.epochs, trial.run = run.config.trainer.max_epochs, run.folder.name
            pausing = Pausing(run.files.checkpoint, lambda epoch, model: self._goes_on(run, epoch, model))
            status = execute(run, callbacks=[pausing])
            if status.state is State.FAILED:
                trial.stage, trial.reason = Stage.FAILED, status.reason
            else:
                with computing(run):
                    self._measure(run, trial.epochs, load_for_tests(run))
                trial.stage = Stage.DONE
        except PausedError:
            pass
        except Exception as error:  # noqa: BLE001, one recipe must not end the search
            print_error(error)
            trial.stage, trial.reason = Stage.FAILED, one_line(error)
        self._keep()
        came_to = (
            ", ".join(f"{100 * one:.1f} %" for one in trial.values(self.search.objective)) if trial.measured else ""
        )
        at = f" after {trial.measured[-1][0]} of {trial.epochs} epochs" if trial.measured else ""
        say(f"recipe {trial.number + 1}, {trial.recipe}: {trial.stage}{at} {came_to}{trial.reason}".rstrip())

    def _goes_on(self, run: Experiment, epoch: int, model: nn.Module) -> bool:
        if epoch >= self.trial.epochs:
            return True
        if is_rung := epoch in rungs(self.trial.epochs):
            self._measure(run, epoch, model)
        self._keep()
        self._count()
        trials = self.files.trials()
        if is_rung and not self.search.stands(self.trial, trials):
            self.trial.stage = Stage.STOPPED
            return False
        return not self.search.is_used(trials)

    def _measure(self, run: Experiment, epoch: int, model: nn.Module) -> None:
        images, config = run.splits.validation, run.config
        assert images is not None
        conditions = validation_conditions(config, self.search.under, images.shape)
        how = {"seed": config.seed, "batch_size": config.evaluation.batch_size}
        natural, *perturbed = validate(model, images.near(device_of(model)), conditions, **how)
        found = [natural, sum(perturbed) / len(perturbed), min(perturbed)]
        before = [one for one in self.trial.measured if one[0] < epoch]
        self.trial.measured = [*before, (epoch, time.monotonic() - self.begun, found)]

    def _count(self) -> None:
        self.counting.enter_context(self.meter.part("all"))

    def _keep(self) -> None:
        self.counting.close()
        self.trial.seconds = time.monotonic() - self.begun
        self.trial.joules = self.joules + self.meter.price()["joules"]
        self.files.write(self.trial)
