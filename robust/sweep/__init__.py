"""Many runs."""

from robust.sweep.jobs import list_jobs
from robust.sweep.slurm import launch_on_slurm
from robust.sweep.sweeper import launch, run_alone, run_job, run_task, sweep

__all__ = ["launch", "launch_on_slurm", "list_jobs", "run_alone", "run_job", "run_task", "sweep"]
