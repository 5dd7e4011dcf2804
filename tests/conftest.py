import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from warm import Warm

if TYPE_CHECKING:  # to import torch takes seconds, which the process that hands out the tests need not wait for
    from robust.experiment.experiment import Experiment

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
def one_thread() -> Iterator[None]:
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # what was imported is not searched for garbage again and again
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def quick() -> list[str]:
    """Settings of a run of a second: on the bundled digits, two epochs, two trials."""
    return QUICK


@pytest.fixture
def make_run(tmp_path: Path) -> "Callable[..., Experiment]":
    """Prepares a quick run, its folder under the test's own."""
    from robust.experiment.prepare import prepare

    def make(*overrides: str) -> "Experiment":
        return prepare([f"runs_dir={tmp_path / 'runs'}", *QUICK, *overrides])

    return make


@pytest.fixture(scope="session", autouse=True)
def copies() -> Iterator[Warm]:
    """Of one process that has imported everything: commands, and the workers that tests start."""
    made = Warm()
    made.share_workers()
    yield made
    made.close()


@pytest.fixture
def command(copies: Warm) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of ours as a user does, in a process of its own."""

    def call(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
        return copies.run(*arguments, cwd=cwd, env={**os.environ, "COLUMNS": "200", **variables})

    return call


@pytest.fixture
def mnist_dir() -> Path:
    if not (DATA / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip(f"MNIST is not in {DATA}: set ROBUST_DATA to the folder that holds it")
    return DATA
