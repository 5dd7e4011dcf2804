"""Hydra's entries to our launchers. Hydra reads this at every start: nothing heavy is imported here."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import DictConfig

Jobs = Sequence[Sequence[str]]


class RobustLauncher(Launcher):
    """Launches runs on this machine, `pack` at a time on each GPU; each returns what went wrong with it."""

    def __init__(self, pack: int | str) -> None:
        self.pack = pack

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: a worker composes its configuration itself."""

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch

        return _returned(job_overrides, launch([list(job) for job in job_overrides], pack=self.pack))


class RobustSlurmLauncher(SlurmLauncher):
    """Launches runs as Slurm jobs, with the settings of Hydra's submitit launcher; but it believes what a run
    recorded, not what Slurm makes of a process's end. Each job does `pack` of them."""

    def __init__(self, pack: int | str, **params: Any) -> None:
        super().__init__(**params)
        self.pack = pack

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch_on_slurm

        jobs = [list(job) for job in job_overrides]
        return _returned(job_overrides, launch_on_slurm(jobs, self.params, pack=self.pack))


def _returned(jobs: Jobs, reasons: Sequence[str]) -> list[JobReturn]:
    return [
        JobReturn(overrides=job, status=JobStatus.COMPLETED, _return_value=reason)
        for job, reason in zip(jobs, reasons, strict=True)
    ]
