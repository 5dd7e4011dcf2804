import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ROBUST_DATA", ROOT / "data"))

QUICK = [
    "trainer.max_epochs=2",
    "parent.trainer.max_epochs=2",
    "trainer.threads=1",
    "evaluation.trials=2",
    "trainer.accelerator=cpu",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that several processes end together."""
    items.sort(key=lambda item: item.path.name not in ("test_command.py", "test_kill_points.py"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def quick() -> list[str]:
    """Settings of a run of a second: on the bundled digits, two epochs, two trials."""
    return QUICK


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Experiment]:
    """Prepares a quick run, its folder under the test's own."""

    def make(*overrides: str) -> Experiment:
        return prepare([f"runs_dir={tmp_path / 'runs'}", *QUICK, *overrides])

    return make


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of ours as a user does, in a process of its own."""

    def call(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
            **options,
        )

    return call


@pytest.fixture
def mnist_dir() -> Path:
    if not (DATA / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip(f"MNIST is not in {DATA}: set ROBUST_DATA to the folder that holds it")
    return DATA
