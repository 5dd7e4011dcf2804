"""Many runs."""

from robust.sweep.jobs import list_jobs, list_spaces
from robust.sweep.local import launch, run_job
from robust.sweep.search import search
from robust.sweep.sweeper import run_alone, run_task, sweep

__all__ = ["launch", "list_jobs", "list_spaces", "run_alone", "run_job", "run_task", "search", "sweep"]
