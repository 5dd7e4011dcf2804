"""The commands, as a user types them."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

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
    assert first.stderr == "checking 3 runs\n"
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
    assert re.search(r"failed before: natural .*\(seed 0\): Training diverged", again.stdout)


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
        "import robust.sweep.local as local\n"
        "launch = local.launch\n"
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


def test_help_lists_the_choices(command: Command) -> None:
    done = command("train.py", "--help")
    assert done.returncode == 0
    for words in (
        "blur, blur_channels, brightness, camera, contrast, dead",
        "data: cifar10, cifar100, digits, emnist, fashion_mnist, folder",
        "technique: ablation, adversarial, adversarial_fgsm, adversarial_pgd, augmix, consistency, constant, finetune",
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
