"""Hydra's entries to our launchers. Hydra reads this at every start: nothing heavy is imported here."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import DictConfig

Jobs = Sequence[Sequence[str]]


class RobustLauncher(Launcher):
    """Launches runs on this machine, `pack` at a time on each GPU; each returns what went wrong with it."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps how many; a worker composes its configuration itself."""
        self.pack = config.pack

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch

        return _returned(job_overrides, launch([list(job) for job in job_overrides], pack=self.pack))


class RobustSlurmLauncher(SlurmLauncher):
    """Launches runs as Slurm jobs, with the settings of Hydra's submitit launcher; but it believes what a run
    recorded, not what Slurm makes of a process's end. Each job does `pack` of them."""

    def launch(self, job_overrides: Jobs, initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch_on_slurm

        jobs = [list(job) for job in job_overrides]
        assert self.config is not None
        return _returned(job_overrides, launch_on_slurm(jobs, self.params, pack=self.config.pack))


def _returned(jobs: Jobs, reasons: Sequence[str]) -> list[JobReturn]:
    return [
        JobReturn(overrides=job, status=JobStatus.COMPLETED, _return_value=reason)
        for job, reason in zip(jobs, reasons, strict=True)
    ]
