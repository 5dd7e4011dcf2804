"""The commands, as a user types them."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

Command = Callable[..., subprocess.CompletedProcess[str]]


def counted(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The last plan that a command printed: how many runs there are in all, and in which state."""
    lines = done.stdout.splitlines()
    last = max(place for place, line in enumerate(lines) if line.split()[:1] == ["all"])
    heading = next(line for line in reversed(lines[:last]) if line.split()[:3] == ["data", "trained", "level"])
    names = re.split(r"\s{2,}", heading.strip())[3:]
    return dict(zip(names, lines[last].split()[1:], strict=True))


def test_one_command_trains_measures_and_shows_and_the_second_time_only_shows(
    command: Command, quick: list[str], tmp_path: Path
) -> None:
    arguments = ["train.py", "-m", "perturb=noise,blur,pixel", *quick, f"runs_dir={tmp_path}"]
    first = command(*arguments)
    assert first.returncode == 0, first.stderr
    assert counted(first) == {"runs": "4", "to do": "4"}
    for title in ("natural", "constant noise 0.05", "constant blur 1", "constant pixel 5"):
        assert title in first.stdout
    page = Path(first.stdout.split("page: ")[1].strip())
    assert page.is_file()
    assert first.stderr == ""
    models = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model.ckpt")}
    assert len(models) == 4

    second = command(*arguments)
    assert counted(second) == {"runs": "4", "done": "4"}
    assert models == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model.ckpt")}
    assert second.stdout.split("page: ")[1] == first.stdout.split("page: ")[1]


def test_one_run_by_itself_has_its_own_page(command: Command, quick: list[str], tmp_path: Path) -> None:
    done = command("train.py", "perturb=dead", *quick, f"runs_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split("page: ")[1].strip()).parent.parent.parent == tmp_path


def test_a_sweep_with_a_failing_run_does_the_others_and_says_so(
    command: Command, quick: list[str], tmp_path: Path
) -> None:
    done = command("train.py", "-m", "perturb=noise", "optimizer.lr=0.01,1e30", *quick, f"runs_dir={tmp_path}")
    assert done.returncode == 1
    states = [json.loads(path.read_text())["state"] for path in tmp_path.glob("*/status.json")]
    assert sorted(states) == ["done", "done", "failed", "failed"]
    assert "failed: Training diverged" in done.stderr
    assert "Traceback" not in done.stderr
    assert counted(done) == {"runs": "4", "done": "2", "failed": "2"}, "the last table says so too"
    again = command(
        "train.py", "-m", "perturb=noise", "optimizer.lr=0.01,1e30", *quick, f"runs_dir={tmp_path}", "plan=true"
    )
    assert counted(again) == {"runs": "4", "failed": "2", "done": "2"}
    assert "failed: natural (seed 0): Training diverged" in again.stdout


def test_data_that_vanishes_is_the_recorded_reason(command: Command, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in range(2):
            for number in range(4):
                path = tmp_path / "data" / split / str(label) / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (32, 32), 100 * label + number).save(path)
    vanish = tmp_path / "vanish.py"  # the folder goes when the plan is made
    vanish.write_text(
        "import runpy, shutil, sys\n"
        "import robust.sweep.sweeper as sweeper\n"
        f"launch = sweeper.launch\n"
        "def gone(jobs, *, pack, **others):\n"
        f"    shutil.rmtree({str(tmp_path / 'data')!r})\n"
        "    return launch(jobs, pack=pack, **others)\n"
        "import robust.sweep\n"
        "robust.sweep.launch = gone\n"
        "sys.argv[0] = 'train.py'\n"
        "runpy.run_path('train.py', run_name='__main__')\n"
    )
    arguments = [
        "-m",
        "data=folder",
        f"data.path={tmp_path / 'data'}",
        f"data.cache_dir={tmp_path / 'cache'}",
        "perturb=noise",
    ]
    done = command(str(vanish), *arguments, "pack=2", "data.batch_size=4", f"runs_dir={tmp_path / 'runs'}")
    assert done.returncode == 1
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/status.json")]
    assert [record["state"] for record in records] == ["failed", "failed"], done.stderr
    assert all(str(tmp_path / "data") in record["reason"] for record in records)


def test_a_plan_starts_nothing(command: Command, tmp_path: Path) -> None:
    done = command("train.py", "-m", "perturb=noise,blur", "plan=true", f"runs_dir={tmp_path}")
    assert done.returncode == 0
    assert counted(done) == {"runs": "3", "to do": "3"}
    assert "constant noise" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_goes_on_and_ends_with_the_same_rows(command: Command, tmp_path: Path) -> None:
    settings = ["perturb=hot", "trainer.max_epochs=40", "trainer.threads=1", "trainer.checkpoint_every_s=0"]
    settings += ["evaluation.trials=2", "trainer.accelerator=cpu"]
    assert command("train.py", *settings, f"runs_dir={tmp_path / 'undisturbed'}").returncode == 0
    root = Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "train.py", *settings, f"runs_dir={tmp_path / 'killed'}"], cwd=root, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").glob("*/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert list((tmp_path / "killed").glob("*/claim.json"))
    assert not list((tmp_path / "killed").glob("*/status.json"))
    assert command("train.py", *settings, f"runs_dir={tmp_path / 'killed'}").returncode == 0
    log = next((tmp_path / "killed").glob("*/log.txt")).read_text()
    assert "resuming" in log
    tables = [pd.read_csv(next((tmp_path / name).glob("*/rows.csv"))) for name in ("undisturbed", "killed")]
    pd.testing.assert_frame_equal(*tables)


SWEEP = ["train.py", "-m", "perturb=hot,noise", "technique=incremental,transfer", "pack=2", "trainer.max_epochs=12"]
SWEEP += ["parent.trainer.max_epochs=12"]
SWEEP += ["trainer.checkpoint_every_s=0", "trainer.threads=1", "evaluation.trials=2", "trainer.accelerator=cpu"]


def all_rows(runs_dir: Path) -> pd.DataFrame:
    tables = [pd.read_csv(path) for path in sorted(runs_dir.glob("*/rows.csv"))]
    return pd.concat(tables).sort_values(["run", "test_perturbation", "test_level", "trial"], ignore_index=True)


def claims_since(moment: float, runs_dir: Path) -> list[Path]:
    found = []
    for path in runs_dir.glob("*/claim.json"):
        with contextlib.suppress(FileNotFoundError):  # let go of just now
            if path.stat().st_mtime > moment:
                found.append(path)
    return found


def test_a_sweep_ends_with_the_same_rows_shared_by_two_processes_or_killed_at_random_moments(
    command: Command, tmp_path: Path
) -> None:
    root, shared, killed = Path(__file__).parent.parent, tmp_path / "shared", tmp_path / "killed"
    both = [
        subprocess.Popen(
            [sys.executable, *SWEEP, "pack=1", f"runs_dir={shared}"], cwd=root, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all("transfer noise 0.05" in one and "page: " in one for one in said)
    for path in shared.glob("*/log.txt"):
        assert path.read_text().count("starting training") == 1
        assert len(json.loads(path.with_name("status.json").read_text())["sessions"]) == 1

    arguments = [*SWEEP, f"runs_dir={killed}"]
    moments, interrupted = random.Random(0), 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=root, stdout=subprocess.DEVNULL, start_new_session=True
        )
        begun, deadline = time.time(), time.monotonic() + 60
        while not (claims := claims_since(begun, killed)) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        interrupted += len(claims)
    assert interrupted >= 2
    assert command(*arguments).returncode == 0
    assert len(list(killed.glob("*/status.json"))) == 5
    pd.testing.assert_frame_equal(all_rows(killed), all_rows(shared))


def test_help_lists_the_choices(command: Command) -> None:
    done = command("train.py", "--help")
    assert done.returncode == 0
    for words in (
        "blur, blur_channels, camera, dead",
        "data: cifar10, digits, folder, mnist, scenes",
        "technique: adversarial, adversarial_fgsm, adversarial_pgd, augmix, constant, finetune, harden, harden_all",
    ):
        assert words in done.stdout


def test_the_report_says_what_is_wrong_with_its_runs(command: Command, tmp_path: Path) -> None:
    done = command("-m", "robust", "report", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: There are no finished runs in {tmp_path}.")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_target() -> None:
    root = Path(__file__).parent.parent
    environment = {**os.environ, "MAKEFLAGS": ""}
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=root, env=environment, text=True, capture_output=True, check=True
    ).stdout
    targets = {
        line.split(":")[0] for line in (root / "Makefile").read_text().splitlines() if "## " in line and ":" in line
    }
    targets = {target for target in targets if target.replace("-", "_").isidentifier()}
    assert targets == {line.split()[1] for line in listed.splitlines()}
