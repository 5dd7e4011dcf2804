"""Many runs."""

from robust.sweep.jobs import list_jobs
from robust.sweep.sweeper import launch, run_alone, run_job, run_task, sweep

__all__ = ["launch", "list_jobs", "run_alone", "run_job", "run_task", "sweep"]
