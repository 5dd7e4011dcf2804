"""A project of one's own: a folder of choices and a module beside it, used from anywhere."""

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

import robust
from robust.experiment.prepare import prepare
from robust.experiment.search_path import VARIABLE, use_project
from robust.runs import RunFolder

Command = Callable[..., subprocess.CompletedProcess[str]]

MODULE = '''
import torch
from torch import Tensor, nn

from robust.data import ImageSet, Splits
from robust.perturb import Perturbation


class Stripe(Perturbation):
    """A dark row."""

    name, random, moves = "mine", False, False

    def __init__(self, *, row: int):
        super().__init__()
        self.row = self.level = row

    def sample(self, random, shape):
        return {}

    def apply_transform(self, images):
        images = images.clone()
        images[:, :, self.row] = 0
        return images


class Net(nn.Module):
    """A linear layer."""

    def __init__(self, *, image_shape, num_classes, scale=1.0, head=()):
        super().__init__()
        channels, height, width = image_shape
        self.scale = scale
        self.head = nn.Linear(channels * height * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.scale * images.flatten(1))


def pictures(*, count: int) -> Splits:
    """Bright and dark squares."""
    labels = torch.arange(count) % 2
    images = (labels[:, None, None, None] * 200 + 20).expand(count, 1, 8, 8).to(torch.uint8)
    images = images + torch.arange(64).view(1, 1, 8, 8).to(torch.uint8) // 8
    one = ImageSet(images, labels, ("dark", "bright"))
    return Splits(one, one)
'''
CHOICES = {
    "perturb/mine.yaml": "family: mine\nlevel: 2\nfresh: false\ntransform: {_target_: mine.Stripe, row: '${..level}'}",
    "model/mine.yaml": "name: mine\n_target_: mine.Net\nscale: 2.0\n",
    "data/mine.yaml": "name: mine\ncount: 40\nsource: {_target_: mine.pictures, count: '${data.count}'}\n",
}
MINE = ["perturb=mine", "model=mine", "data=mine", "evaluation.families=[mine]", "evaluation.conditions.mine=[1,3]"]
SHORT = ["trainer.max_epochs=2", "parent.trainer.max_epochs=2", "trainer.accelerator=cpu", "data.batch_size=20"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `conf` and `mine.py`, and nothing of robust."""
    for name, text in CHOICES.items():
        path = tmp_path / "project" / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "project" / "mine.py").write_text(MODULE)
    return tmp_path / "project"


@pytest.fixture
def call(project: Path, command: Command) -> Command:
    """Runs Python in the project's folder, where a checkout of robust is found by its path alone."""
    root = Path(robust.__file__).parent.parent
    return functools.partial(command, cwd=project, PYTHONPATH=str(root), OMP_NUM_THREADS="1")


def test_one_run_many_in_workers_and_the_model_back(project: Path, call: Command) -> None:
    train = ["-m", "robust", "train", "--config-dir", "conf"]
    one = call(*train, *MINE, *SHORT, "trainer.threads=1")
    assert one.returncode == 0, one.stderr
    assert "constant mine 2" in one.stdout
    many = call(*train, "-m", *MINE, *SHORT, "perturb.level=1,2", "pack=2", "logger=none")
    assert many.returncode == 0, many.stderr
    runs = sorted((project / "runs").glob("mine-mine-*"))
    assert len(runs) == 3, "the natural run and one for each level"
    rows = pd.concat([RunFolder(run).read_rows() for run in runs])
    assert set(rows["test_perturbation"]) == {"natural", "mine"}
    loading = f"import robust; print(robust.load({str(runs[0])!r}).scale)"
    back = call("-c", loading, ROBUST_CONF=str(project / "conf"))
    assert back.stdout == "2.0\n", back.stderr
    named = call("-c", f"import robust; print(robust.load({str(runs[0])!r}, networks=['mine.Net']).scale)")
    assert named.stdout == "2.0\n", named.stderr
    refused = call("-c", loading)
    assert "names the network mine.Net" in refused.stderr
    assert "robust.register" in refused.stderr
    report = call("-m", "robust", "report", "runs", "--config-dir", "conf")
    assert report.returncode == 0, report.stderr


@pytest.fixture
def used(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    use_project(project / "conf")
    yield project
    sys.modules.pop("mine", None)


def test_ones_own_choices_are_tested_from_python(used: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    rows = robust.evaluate(model, data="mine", evaluation="natural", overrides=["evaluation.families=[]"])
    assert rows["n"].tolist() == [40]


def test_ones_own_network_that_does_not_fit_is_refused_before_training(used: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`model\.colour` is not a key"):
        prepare([*MINE, *SHORT, f"runs_dir={tmp_path}", "+model.colour=red"])


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"`--config-dir` must be a folder of choices, .*; got nowhere, which is not"):
        use_project("nowhere")


def test_a_misspelt_folder_is_answered_with_the_right_one(project: Path) -> None:
    with pytest.raises(ValueError, match=r"got .*cnof, which is not there\. Did you mean `conf`\?"):
        use_project(project / "cnof")
