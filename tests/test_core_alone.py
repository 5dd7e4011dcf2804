"""The core needs no study: without `robust/studies` its choices compose, a run trains, and its page is written.

The studies are still registered, as after an installation that lost them: that is said, and no error.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ["conf", "hydra_plugins", "pyproject.toml", "robust", "sweeps", "tests", "train.py"]
RUN = [
    "technique=natural",
    "evaluation=natural",
    "trainer.max_epochs=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
]
#: in one process, which imports torch once: some tests, every module, every choice, a run with its page
SCRIPT = f"""
import importlib, pkgutil, sys
import pytest

quietly = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--assert=plain"]
if failed := pytest.main([*quietly, "tests/attack/test_plan.py"]):
    sys.exit(int(failed))

import robust.cli
for one in pkgutil.walk_packages(robust.__path__, "robust."):
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)

from robust.experiment.compose import compose, perturbation_choices
from robust.experiment.search_path import CONF, SWEEPS
together = ["data", "technique", "evaluation", "attack", "logger", "trainer", "model"]
groups = [*together, "task", "perturb"]
names = dict((group, sorted(one.stem for one in (CONF / group).glob("[!_]*.yaml"))) for group in groups)
perturbation_choices(names["perturb"])
for place in range(max(len(names[group]) for group in together)):
    chosen = [group + "=" + names[group][place % len(names[group])] for group in together]
    needed = dict([("data=folder", "data.path=x"), ("data=npz", "data.path=x"), ("data=huggingface", "data.path=x"),
                   ("data=torchvision", "data.dataset=x"), ("model=own", "model.path=torch.nn:Linear"),
                   ("model=huggingface", "model.path=x"), ("model=onnx", "model.file=x"),
                   *(("model=" + one, "model.architecture=x") for one in ("robustbench", "timm", "torchvision")),
                   ("attack=foolbox", "attack.method=x"),
                   ("attack=torchattacks", "attack.method=x")])
    compose([*chosen, *(needed[one] for one in chosen if one in needed)])
for alone in [*("task=" + one for one in names["task"]), *("sweep=" + one.stem for one in SWEEPS.glob("*.yaml"))]:
    compose([alone])

sys.argv = ["train.py", *{RUN}]
robust.cli.train()
"""


@pytest.fixture
def core(tmp_path: Path) -> Path:
    """A checkout of the core alone."""
    for name in CORE:
        path, copy = ROOT / name, tmp_path / "core" / name
        if path.is_dir():
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns("__pycache__", "golden", "studies", "results"))
        else:
            shutil.copy(path, copy)
    return tmp_path / "core"


def test_without_the_studies_all_else_works_and_their_absence_is_said(core: Path) -> None:
    assert not (core / "robust" / "studies").exists()
    others = [path for path in sys.path if path and Path(path).is_dir() and Path(path) not in (ROOT, ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT],  # -S: no link to a checkout
        cwd=core,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(core), *others])},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((core / "runs").glob("*/report/index.html")), done.stdout
    assert "The study hardening (robust.studies.hardening) is left out of the report" in done.stderr
    assert "The choices of minds_eye (robust.studies.minds_eye.conf) are left out" in done.stderr
