"""Hydra's entry to our launcher. Hydra reads this at every start: nothing heavy is imported here."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class RobustLauncher(Launcher):
    """Launches runs on this machine, `workers` at a time; each returns what went wrong with it."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: a worker composes its configuration itself."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from robust.sweep import launch

        reasons = launch([list(job) for job in job_overrides], workers=self.workers)
        return [
            JobReturn(overrides=job, status=JobStatus.COMPLETED, _return_value=reason)
            for job, reason in zip(job_overrides, reasons, strict=True)
        ]
