"""Sweeps through a Slurm that runs on this machine; `make test-slurm` starts one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent.parent
COMMON = ["trainer.threads=1", "evaluation.trials=2", "trainer.accelerator=cpu"]
SLURM = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> None:
    try:
        answer = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if not re.match("idle|mix|alloc", answer):
        pytest.skip("no Slurm runs here: `make test-slurm` starts one")


def rows(runs: Path) -> dict[str, pd.DataFrame]:
    return {path.parent.name: pd.read_csv(path) for path in sorted(runs.glob("*/rows.csv"))}


def statuses(runs: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/status.json")}


def assert_same_rows(ours: Path, theirs: Path, count: int) -> None:
    one, other = rows(ours), rows(theirs)
    assert list(one) == list(other)
    assert len(one) == count
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])


def finished(text: str, errors: str = "") -> str:
    return "\n".join(line for line in (text + errors).splitlines() if "page:" not in line)


def test_a_sweep_through_slurm_gives_the_rows_of_one_machine(command: Command, tmp_path: Path) -> None:
    grid = ["technique=constant,incremental,transfer", "perturb=noise,blur", "seed=0,1", "trainer.max_epochs=2"]
    there = command("train.py", "-m", *grid, *COMMON, *SLURM, f"runs_dir={tmp_path / 'slurm'}")
    assert there.returncode == 0, there.stderr
    here = command("train.py", "-m", *grid, *COMMON, "workers=2", f"runs_dir={tmp_path / 'here'}")
    assert here.returncode == 0, here.stderr
    assert_same_rows(tmp_path / "slurm", tmp_path / "here", 14)
    records = statuses(tmp_path / "slurm")
    assert len({record["job"] for record in records.values()}) == 14
    assert {record["restarts"] for record in records.values()} == {0}
    ended = {name: record["finished"] for name, record in records.items()}
    begun = {name: (tmp_path / "slurm" / name / "log.txt").read_text()[:19].replace(" ", "T") for name in ended}
    natural = {name.partition("seed")[2][0]: name for name in ended if "natural" in name}
    for name in ended:
        if "transfer" in name:
            assert ended[natural[name.partition("seed")[2][0]]][:19] <= begun[name]
    assert all("train.py -m technique=constant" in record["command"] for record in records.values())


class Sweep:
    """A sweep under way, and the jobs of its runs."""

    def __init__(self, runs: Path, *arguments: str):
        self.runs = runs
        self.process = subprocess.Popen(
            [sys.executable, "train.py", "-m", *arguments, *COMMON, *SLURM, f"runs_dir={runs}"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def catch(self, name: str) -> dict:
        """The claim of the run of this name, as soon as it has something to resume from."""
        for _ in range(600):
            for folder in self.runs.glob(f"*{name}*"):
                if (folder / "last.ckpt").is_file() and (folder / "claim.json").is_file():
                    return json.loads((folder / "claim.json").read_text())
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.1)
        raise TimeoutError(name)


@pytest.fixture
def start() -> Iterator[Callable[..., Sweep]]:
    sweeps = []

    def call(runs: Path, *arguments: str) -> Sweep:
        sweeps.append(Sweep(runs, *arguments))
        return sweeps[-1]

    yield call
    for sweep in sweeps:
        if sweep.process.poll() is None:
            sweep.process.kill()
            subprocess.run(["scancel", "--me"], check=False)
        sweep.process.communicate()


def test_runs_survive_what_a_cluster_does_to_them(
    start: Callable[..., Sweep], command: Command, tmp_path: Path
) -> None:
    runs, here = tmp_path / "slurm", tmp_path / "here"
    grid = ["perturb=noise,blur,hot,stuck", "trainer.max_epochs=150", "trainer.checkpoint_every_s=0"]
    sweep = start(runs, *grid)
    asked = sweep.catch("natural")["job"]
    subprocess.run(["scancel", "--signal=USR2", asked], check=True)  # as before a time limit
    queued = sweep.catch("noise")["job"]
    subprocess.run(["scontrol", "requeue", queued], check=True)  # as after a node's death
    killed = sweep.catch("blur")
    os.kill(killed["pid"], signal.SIGKILL)
    cancelled = sweep.catch("hot")["job"]
    subprocess.run(["scancel", cancelled], check=True)
    complained = sweep.process.communicate(timeout=280)[1]
    assert sweep.process.returncode == 1
    assert len(complained.strip().splitlines()) == 2, complained
    assert re.search(
        rf"constant blur 1 \(seed 0\) failed: Slurm job {killed['job']} ended without a result", complained
    )
    assert re.search(rf"constant hot .* Slurm job {cancelled} ended without a result \(CANCELLED\)", complained)
    logs = re.findall(r"\[(/.*?_log\.out)\]", complained)
    assert len(logs) == 2
    assert all(Path(log).is_file() for log in logs)
    restarts = {record["job"]: record["restarts"] for record in statuses(runs).values()}
    assert restarts[asked] == 1
    assert restarts[queued] == 1
    for job in (asked, queued):
        (name,) = (name for name, record in statuses(runs).items() if record["job"] == job)
        assert "resuming training" in (runs / name / "log.txt").read_text()

    again = command("train.py", "-m", *grid, *COMMON, *SLURM, f"runs_dir={runs}")
    assert again.returncode == 0, again.stderr
    local = command("train.py", "-m", *grid, *COMMON, "workers=2", f"runs_dir={here}")
    assert local.returncode == 0, local.stderr
    assert_same_rows(runs, here, 5)


def test_what_slurm_refuses_is_said_in_a_line(command: Command, tmp_path: Path) -> None:
    refused = command(
        "train.py", "-m", "perturb=noise", *COMMON, *SLURM, "hydra.launcher.partition=gpus", f"runs_dir={tmp_path}"
    )
    assert refused.returncode == 1
    assert re.fullmatch(r"error: Slurm did not take the jobs: .*invalid partition specified: gpus.*\n", refused.stderr)
