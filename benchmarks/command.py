"""What the command costs as a whole process: start and memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.pairs import Result, at_most, seconds

_ROOT = Path(__file__).parent.parent
_ROUNDS = 5


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, str(_ROOT / "train.py"), *arguments]


def _call(arguments: Sequence[str]) -> None:
    subprocess.run(_command(arguments), cwd=_ROOT, check=True, capture_output=True)


def _peak_bytes(arguments: Sequence[str]) -> int:
    """The most memory that the command had resident at once.

    Read from the process itself while it runs: what the system says of it afterwards counts its parent's memory too.
    """
    command, peak = _command(arguments), 0
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(
                peak, *(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0
            )
            time.sleep(0.05)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def bench_start() -> Iterator[Result]:
    """How long one waits for help, and for training to begin."""
    times = [seconds(lambda: _call(["--help"])) for _ in range(_ROUNDS)]
    yield at_most("`python train.py --help`", "", np.array(times), 1.5, unit="s")
    times = []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            arguments = ["trainer.max_epochs=1", "evaluation=none", f"runs_dir={folder}"]
            times.append(seconds(lambda: _call(arguments)))  # noqa: B023
    note = "a whole run of one epoch on the digits, which bounds it from above"
    yield at_most("from the command to the first training step", "", np.array(times), 8, unit="s", note=note)


def bench_memory() -> Iterator[Result]:
    """The peak memory of a run on MNIST."""
    with tempfile.TemporaryDirectory() as folder:
        peak = _peak_bytes(["data=mnist", "evaluation.trials=2", "trainer.max_epochs=3", f"runs_dir={folder}"])
    yield at_most("peak memory of an MNIST run", "", np.array([peak / 1e9]), 1.5, unit="GB")
