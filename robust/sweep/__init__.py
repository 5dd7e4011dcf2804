"""Many runs."""

from robust.sweep.sweeper import launch, list_jobs, run_alone, run_job, sweep

__all__ = ["launch", "list_jobs", "run_alone", "run_job", "sweep"]
