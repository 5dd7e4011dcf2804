"""Many runs."""

from robust.sweep.sweeper import expand, run_alone, run_job, sweep

__all__ = ["expand", "run_alone", "run_job", "sweep"]
