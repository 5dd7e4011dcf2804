"""A package that is missing is named with the command that installs it, before anything starts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from warm import OPTIONAL

ROOT = Path(__file__).parent.parent

HIDDEN = f"""
import sys, warnings
sys.modules.update(dict.fromkeys({OPTIONAL}))
warnings.simplefilter("error", UserWarning)
"""
TRAIN = "import runpy; sys.argv[0] = 'train.py'; runpy.run_path('train.py', run_name='__main__')"
ROBUST = "import runpy; runpy.run_module('robust', run_name='__main__')"
PRELUDE = "from pathlib import Path; from robust.errors import run_command"
SALIENCY = f"""{PRELUDE}
from robust.measure.saliency import captum_attributions
run_command(captum_attributions)
"""
EXPORT = f"""{PRELUDE}
from robust.runs.export import export
run_command(lambda: export(Path("none"), Path("none"), formats=sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("code", "arguments", "package", "install"),
    [
        (TRAIN, ["logger=wandb"], "wandb", "'robust[wandb]'"),
        (TRAIN, ["logger=tensorboard"], "tensorboard", "'robust[tensorboard]'"),
        (TRAIN, ["attack=foolbox", "attack.method=LinfPGD"], "foolbox", "'robust[attacks]'"),
        (TRAIN, ["attack=torchattacks", "attack.method=FGSM"], "torchattacks", "torchattacks"),
        (TRAIN, ["sweep=search", "sweep.search.runs=2"], "optuna", "'robust[search]'"),
        (TRAIN, ["-m", "perturb=noise,blur", "hydra/launcher=slurm"], "submitit", "'robust[slurm]'"),
        (ROBUST, ["dashboard", "--entity", "me"], "wandb", "'robust[wandb]'"),
        (ROBUST, ["evidence", "none"], "fpdf", "'robust[pdf]'"),
        (SALIENCY, [], "captum", "'robust[explain]'"),
        *((EXPORT, [name], name, "'robust[export]'") for name in ("onnx", "safetensors")),
    ],
    ids=lambda value: "" if isinstance(value, list) or "import" in value else value,
)
def test_a_missing_package_is_named_before_anything_starts(
    command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    code: str,
    arguments: list[str],
    package: str,
    install: str,
) -> None:
    settings = [f"runs_dir={tmp_path / 'runs'}", "trainer.max_epochs=1"] if code is TRAIN else []
    done = command("-c", HIDDEN + code, *arguments, *settings)
    assert done.returncode != 0
    *_, line = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert f" needs the package {package} (" in line
    assert line.endswith(f": pip install {install}")
    assert not list(tmp_path.rglob("*.ckpt")) + list(tmp_path.rglob("status.json"))


def test_without_any_extra_a_sweep_is_trained_and_reported(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, quick: list[str]
) -> None:
    """Our modules were imported where no extra was either (see `warm`)."""
    done = command("-c", HIDDEN + TRAIN, "-m", "perturb=noise", *quick, f"runs_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("report-*/index.html"))


def test_without_any_extra_help_is_shown_and_nothing_warned() -> None:
    command = [sys.executable, "-W", "error::UserWarning", "-c", HIDDEN + TRAIN, "--help"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sweep: " in done.stdout
