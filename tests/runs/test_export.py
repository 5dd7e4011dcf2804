"""Models in the formats of others, read back."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robust.data import digits
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.models import ResNet
from robust.runs import RunFolder, State, load
from robust.runs.export import export, load_safetensors

EXACT = ["robustbench", "onnx", "safetensors"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the digits, tested."""
    settings = ["technique=natural", "evaluation=natural", "trainer.max_epochs=2", "trainer.threads=1"]
    found = prepare([*settings, f"runs_dir={tmp_path_factory.mktemp('runs')}"])
    status = execute(found)
    assert status.state is State.DONE, status.reason
    return found.folder


def test_every_format_gives_the_same_logits(run: Path, tmp_path: Path) -> None:
    found = export(run, tmp_path, formats=EXACT)
    assert [path.suffix for path in found] == [".pt", ".onnx", ".safetensors"]
    assert max(found.values()) < 1e-5
    assert all(path.is_file() for path in found)


def test_other_networks_too(run: Path, tmp_path: Path) -> None:
    arguments = {"image_shape": [3, 32, 32], "num_classes": 10, "depth": 18, "squeeze": True}
    folder = tmp_path / "se_resnet18"
    RunFolder(folder).save_model(ResNet(**arguments), {"_target_": "robust.models.ResNet", **arguments})
    (folder / "rows.csv").write_bytes((run / "rows.csv").read_bytes())
    assert max(export(folder, tmp_path / "out", formats=EXACT).values()) < 1e-5


def test_files_of_fewer_bits_are_smaller_and_nearly_the_same(run: Path, tmp_path: Path) -> None:
    def training(folder: Path) -> torch.Tensor:
        assert folder == run
        return digits().train.images[:100] / 255

    found = export(run, tmp_path, formats=["safetensors", "bf16", "onnx-int8"], training=training)
    assert [path.name.removeprefix(run.name) for path in found] == [".safetensors", ".bf16.safetensors", ".int8.onnx"]
    exact, half, eighth = found
    assert half.stat().st_size < 0.7 * exact.stat().st_size
    assert all(1e-5 < found[path] < 0.2 for path in (half, eighth))
    assert next(load_safetensors(half).parameters()).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="`training` must return a run's training images"):
        export(run, tmp_path, formats=["onnx-int8"])


def test_safetensors_say_of_which_network_they_are(run: Path, tmp_path: Path) -> None:
    (path,) = export(run, tmp_path, formats=["safetensors"])
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(load_safetensors(path)(images), load(run)(images))
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="must say in its metadata which network it is of"):
        load_safetensors(tmp_path / "other.safetensors")


def test_robustbench_finds_weights_by_data_and_threat(run: Path, tmp_path: Path) -> None:
    (path,) = export(run, tmp_path, formats=["robustbench"], threat="L2")
    assert path == tmp_path / "models" / "digits" / "L2" / f"{run.name}.pt"
    weights = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(weights[name], value) for name, value in load(run).state_dict().items())


def test_what_cannot_be_exported_is_explained(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match="`formats` must be some of robustbench, onnx, safetensors, onnx-int8, bf16; got onnx,keras"
    ):
        export(run, tmp_path, formats=["onnx", "keras"])
    with pytest.raises(ValueError, match="`threat` must be one of Linf, L2, corruptions; got L1"):
        export(run, tmp_path, formats=["robustbench"], threat="L1")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"needs the package onnxruntime .*pip install 'robust\[export\]'"):
        export(run, tmp_path, formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_wrote(
    run: Path, tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = command("-m", "robust", "export", str(run), "--out", str(tmp_path), "--formats", "safetensors")
    assert done.returncode == 0, done.stderr
    assert f"{run.name}.safetensors: read back, logits differ by at most 0 of the greatest" in done.stdout


def test_a_run_that_was_not_measured_is_exported_too(
    tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    settings = ["technique=natural", "evaluation=none", "trainer.max_epochs=1", "trainer.threads=1"]
    assert execute(prepare([*settings, f"runs_dir={tmp_path / 'runs'}"])).state is State.DONE
    out = tmp_path / "out"
    done = command("-m", "robust", "export", str(tmp_path / "runs"), "--out", str(out), "--formats", "safetensors")
    assert done.returncode == 0, done.stderr
    assert len([*out.glob("*.safetensors")]) == 1


@pytest.mark.parametrize("data", ["../../victim/x", "/tmp/victim", "a\0b", "..", "x" * 300])
def test_it_is_written_in_its_folder_whatever_the_data_is_called(run: Path, tmp_path: Path, data: str) -> None:
    folder = tmp_path / "runs" / run.name
    shutil.copytree(run, folder)
    rows = RunFolder(run).read_rows().assign(data=data)
    rows.to_csv(folder / "rows.csv", index=False)
    (folder / "sums.json").unlink()
    (path,) = export(folder, tmp_path / "out", formats=["robustbench"])
    assert path.resolve().is_relative_to(tmp_path / "out" / "models")
    assert {one.name for one in tmp_path.iterdir()} == {"runs", "out"}


def test_no_link_is_followed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "models").symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match="models is a link"):
        export(run, tmp_path / "out", formats=["robustbench"])
    (tmp_path / "out" / f"{run.name}.safetensors").symlink_to(tmp_path / "theirs" / "file")
    export(run, tmp_path / "out", formats=["safetensors"])
    assert (tmp_path / "theirs" / "file").read_text() == "mine"
