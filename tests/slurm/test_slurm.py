"""Sweeps through a Slurm that runs on this machine; `make test-slurm` starts one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from robust.runs.searches import SearchFolder, Stage, front

ROOT = Path(__file__).parent.parent.parent
COMMON = ["trainer.threads=1", "evaluation.trials=2", "trainer.accelerator=cpu"]
SLURM = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]
LONG = ["perturb=noise,blur,hot,stuck", "trainer.max_epochs=300", "trainer.checkpoint_every_s=0", *COMMON]
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "PYTHON": sys.executable}

pytestmark = pytest.mark.timeout(900)  # jobs wait for one another, and for Slurm


@pytest.fixture(scope="module", autouse=True)
def cluster() -> None:
    try:
        answer = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if not re.match("idle|mix|alloc", answer):
        pytest.skip("no Slurm runs here: `make test-slurm` starts one")


def train(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def slurm(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of LONG, without Slurm."""
    runs = tmp_path_factory.mktemp("undisturbed")
    assert train("-m", *LONG, "pack=2", f"runs_dir={runs}").returncode == 0
    return runs


def errors(said: str) -> list[str]:
    """The lines that say what failed, without those that say what is being done."""
    return [line for line in said.splitlines() if line.startswith("error: ")]


def statuses(runs: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/status.json")}


def assert_same_rows(ours: Path, theirs: Path, count: int, **tolerance: float) -> None:
    one, other = ({path.parent.name: pd.read_csv(path) for path in runs.glob("*/rows.csv")} for runs in (ours, theirs))
    assert one.keys() == other.keys()
    assert len(one) == count
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name], **tolerance)


def test_a_sweep_through_slurm_gives_the_rows_of_one_machine(tmp_path: Path) -> None:
    grid = ["technique=constant,incremental,transfer", "perturb=noise,blur", "seed=0,1", "trainer.max_epochs=2"]
    grid.append("parent.trainer.max_epochs=2")
    there = train("-m", *grid, *COMMON, *SLURM, "hydra.launcher.gpus_per_node=1", f"runs_dir={tmp_path / 'slurm'}")
    assert there.returncode == 0, there.stderr
    here = train("-m", *grid, *COMMON, "pack=2", f"runs_dir={tmp_path / 'here'}")
    assert here.returncode == 0, here.stderr
    assert_same_rows(tmp_path / "slurm", tmp_path / "here", 14)
    records = statuses(tmp_path / "slurm")
    assert len({record["job"] for record in records.values()}) == 14
    assert {record["restarts"] for record in records.values()} == {0}
    assert all("train.py -m technique=constant" in record["command"] for record in records.values())
    ended = {name.partition("seed")[2][0]: one["finished"][:19] for name, one in records.items() if "natural" in name}
    for name in records:
        if "transfer" in name:
            begun = (tmp_path / "slurm" / name / "log.txt").read_text()[:19].replace(" ", "T")
            assert begun >= ended[name.partition("seed")[2][0]], "a child waits for its natural run"


def test_a_job_does_a_pack_of_runs(tmp_path: Path) -> None:
    grid = ["perturb=noise,blur,hot", "seed=0,1", "trainer.max_epochs=2", *COMMON]
    packed = ["hydra/launcher=slurm", "pack=3", "hydra.launcher.cpus_per_task=2", "hydra.launcher.mem_gb=3"]
    there = train("-m", *grid, *packed, f"runs_dir={tmp_path / 'slurm'}")
    assert there.returncode == 0, there.stderr
    here = train("-m", *grid, f"runs_dir={tmp_path / 'here'}")
    assert here.returncode == 0, here.stderr
    assert_same_rows(tmp_path / "slurm", tmp_path / "here", 8)
    jobs = [record["job"] for record in statuses(tmp_path / "slurm").values()]
    assert sorted(jobs.count(job) for job in set(jobs)) == [2, 3, 3]


def test_two_jobs_share_a_search(tmp_path: Path) -> None:
    recipes = ["technique=constant", "perturb=noise", "perturb.level=0.05,0.1,0.2"]
    asked = ["sweep.search.runs=6", "sweep.search.workers=2", "sweep.search.race=false", "evaluation=natural"]
    done = train("sweep=search", *recipes, *asked, "trainer.max_epochs=60", *COMMON, *SLURM, f"runs_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    (search,) = SearchFolder.within(tmp_path)
    trials = search.trials()
    assert [one.stage for one in trials] == [Stage.DONE] * 6
    assert all((tmp_path / one.run / "log.txt").read_text().count("starting training") == 1 for one in trials)
    records, (best,) = statuses(tmp_path), front(trials, ["mean"])
    assert len({records[one.run]["job"] for one in trials if one is not best}) == 2, "the best was tested by another"
    assert [one.run for one in trials if (tmp_path / one.run / "rows.csv").is_file()] == [best.run]


def catch(runs: Path, name: str) -> dict[str, Any]:
    """The claim of the run of this name, as soon as it has something to resume from."""
    for _ in range(1200):
        for folder in runs.glob(f"*{name}*"):
            if (folder / "last.ckpt").is_file() and (folder / "claim.json").is_file():
                return json.loads((folder / "claim.json").read_text())
        time.sleep(0.05)
    raise TimeoutError(name)


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep under way, through Slurm."""
    command = [sys.executable, "train.py", "-m", *LONG, *SLURM, f"runs_dir={tmp_path / 'runs'}"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    if process.poll() is None:
        process.kill()
        slurm("scancel", "--me")
    process.communicate()


def test_runs_survive_what_a_cluster_does_to_them(
    sweep: subprocess.Popen[str], undisturbed: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    asked, queued = catch(runs, "natural"), catch(runs, "noise")
    os.kill(asked["pid"], signal.SIGUSR2)  # as Slurm does before a time limit
    slurm("scontrol", "requeue", queued["job"])  # as after a node's death
    killed = catch(runs, "blur")
    os.kill(killed["pid"], signal.SIGKILL)
    cancelled = catch(runs, "hot")["job"]
    slurm("scancel", cancelled)
    complained = sweep.communicate(timeout=280)[1]
    assert sweep.returncode == 1
    assert len(errors(complained)) == 2, complained
    assert re.search(rf"constant blur 1 .* failed: Slurm job {killed['job']} ended without a result", complained)
    assert re.search(rf"constant hot .* Slurm job {cancelled} ended without a result \(CANCELLED\)", complained)
    logs = re.findall(r"\[(/\S+_log\.out)\]", complained)
    assert len(logs) == 2
    assert all(Path(log).is_file() for log in logs)
    records = statuses(runs)
    for job in (asked["job"], queued["job"]):
        (name,) = (name for name, record in records.items() if record["job"] == job)
        assert records[name]["restarts"] == 1
        assert "resuming training" in (runs / name / "log.txt").read_text()

    again = train("-m", *LONG, *SLURM, f"runs_dir={runs}")
    assert again.returncode == 0, again.stderr
    assert_same_rows(runs, undisturbed, 5)


def test_a_sweep_on_one_node_is_queued_again_at_its_time_limit(undisturbed: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    resources = ["--gpus-per-node=2", "--cpus-per-task=2", "--export=ALL,RUNS_PER_GPU=1", f"--output={tmp_path}/log"]
    job = slurm("sbatch", "--parsable", *resources, "scripts/slurm/node.sh", "-m", *LONG, f"runs_dir={runs}")
    catch(runs, "noise")
    slurm("scancel", "--batch", "--signal=USR1", job)  # as Slurm does before the limit
    wait(job)
    said = (tmp_path / "log").read_text()
    assert "time is up: queued again" in said
    assert_same_rows(runs, undisturbed, 5)
    records = statuses(runs)
    assert {record["job"] for record in records.values()} == {job}
    assert 1 in {record["restarts"] for record in records.values()}


def wait(job: str) -> None:
    for _ in range(1000):
        if not slurm("squeue", "--noheader", f"--user={os.getuid()}"):
            return
        time.sleep(0.2)
    raise TimeoutError(job)


def test_several_processes_that_slurm_starts_train_one_model(tmp_path: Path) -> None:
    network = ["perturb=noise", "technique=transfer", "model.batch_norm=false", "model.dropout=0"]
    settings = [*network, "trainer.max_epochs=2", "parent.trainer.max_epochs=2", *COMMON]
    resources = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2", "--cpus-per-task=1"]
    slurm(
        *("sbatch", "--wait", *resources, f"--output={tmp_path}/log"),
        *("scripts/slurm/ddp.sh", *settings, f"runs_dir={tmp_path / 'two'}"),
    )
    assert train(*settings, f"runs_dir={tmp_path / 'one'}").returncode == 0
    # Gradients are summed in another order, which shows in how sure the network is, not in its verdicts.
    assert_same_rows(tmp_path / "two", tmp_path / "one", 2, rtol=0, atol=1e-3)
    assert (tmp_path / "log").read_text().count("page: ") == 1


def test_the_children_of_a_run_that_failed_say_so_and_do_not_try_it_again(tmp_path: Path) -> None:
    grid = ["perturb=noise,blur", "technique=transfer", "parent.optimizer.lr=1e30", "trainer.max_epochs=2"]
    said = train("-m", *grid, *COMMON, *SLURM, f"runs_dir={tmp_path}")
    assert said.returncode == 1
    lines = errors(said.stderr)
    assert len(lines) == 3, said.stderr
    assert "Training diverged" in lines[0]
    assert all("The run it starts from is failed: Training diverged" in line for line in lines[1:])
    (natural,) = (record for name, record in statuses(tmp_path).items() if "natural" in name)
    assert len(natural["sessions"]) == 1


def test_what_slurm_refuses_is_said_in_a_line(tmp_path: Path) -> None:
    refused = train("-m", "perturb=noise", *SLURM, "hydra.launcher.partition=gpus", f"runs_dir={tmp_path}")
    assert refused.returncode == 2
    (line,) = errors(refused.stderr)
    assert re.match("error: Slurm did not take the jobs: .*invalid partition specified: gpus", line)
    assert "waiting" not in refused.stderr
