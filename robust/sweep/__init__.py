"""Many runs."""

from robust.sweep.jobs import list_jobs
from robust.sweep.sweeper import launch, run_alone, run_job, sweep

__all__ = ["launch", "list_jobs", "run_alone", "run_job", "sweep"]
