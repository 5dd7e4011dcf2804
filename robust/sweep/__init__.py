"""Many runs."""

from robust.sweep.sweeper import expand, launch, multiply, run_alone, run_job, sweep

__all__ = ["expand", "launch", "multiply", "run_alone", "run_job", "sweep"]
