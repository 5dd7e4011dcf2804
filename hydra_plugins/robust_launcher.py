"""Hydra's entries to our launchers. Hydra reads this at every start: nothing heavy is imported here."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from robust.errors import require
from robust.experiment.search_path import at_home

Jobs = Sequence[Sequence[str]]


class RobustLauncher(Launcher):
    """Launches runs on this machine, `pack` at a time on each GPU; each returns what went wrong with it."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps how many; a worker composes its configuration itself."""
        self.pack = config.pack

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch

        return _returned(job_overrides, launch([list(job) for job in job_overrides], pack=self.pack))


class RobustSlurmLauncher(Launcher):
    """Launches runs as Slurm jobs of `pack` runs each, with the settings of `hydra.launcher`; it believes what a run
    recorded, not what Slurm makes of a process's end."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {name: at_home(one) if isinstance(one, str) else one for name, one in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps how many; a job composes its configuration itself."""
        require("submitit", what="`hydra/launcher=slurm`", extra="slurm")
        self.pack = config.pack

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep.slurm import launch_on_slurm  # imports submitit

        jobs = [list(job) for job in job_overrides]
        return _returned(job_overrides, launch_on_slurm(jobs, self.settings, pack=self.pack))


def _returned(jobs: Jobs, reasons: Sequence[str]) -> list[JobReturn]:
    return [
        JobReturn(overrides=job, status=JobStatus.COMPLETED, _return_value=reason)
        for job, reason in zip(jobs, reasons, strict=True)
    ]
