"""The ship check: an exported model that is the run's passes, one with a fault does not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import onnx
import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.experiment.ship import print_ship_check, ship_check, training_images
from robust.runs import RunFolder, State
from robust.runs.export import export

FORMATS = {
    "onnx": "{}.onnx",
    "safetensors": "{}.safetensors",
    "onnx-int8": "{}.int8.onnx",
    "bf16": "{}.bf16.safetensors",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tested run of the digits in `runs`, and each export of it in `exported`."""
    place = tmp_path_factory.mktemp("shipped")
    settings = ["technique=natural", "evaluation=camera", "evaluation.trials=1", "trainer.threads=1"]
    run = prepare([*settings, "trainer.max_epochs=6", "trainer.accelerator=cpu", f"runs_dir={place / 'runs'}"])
    status = execute(run)
    assert status.state is State.DONE, status.reason
    export(run.folder, place / "exported", formats=list(FORMATS), training=training_images)
    return place


@pytest.fixture
def run(place: Path) -> Path:
    (folder,) = (place / "runs").glob("digits-*")
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_passes_under_every_condition_of_the_run(kind: str, place: Path, run: Path) -> None:
    file = place / "exported" / FORMATS[kind].format(run.name)
    done = ship_check(file)
    assert done.faults == []
    rows = RunFolder(run).read_rows()
    assert len(done.table) == len(rows.drop_duplicates(["test_perturbation", "test_level"]))
    assert done.table["before"].to_list() == pytest.approx(rows["accuracy"].to_list(), abs=1e-9)
    assert (done.table["before"] - done.table["after"]).max() < 0.03  # a gain is: 8 bits clip noise
    if kind in ("onnx", "safetensors"):
        assert (done.table["changed"] == 0).all()
        assert (done.table["p"] == 1).all()
    else:
        assert (done.table["logits"] > 1e-4).all()
    first = done.table.iloc[0]
    assert first["ms_before"] > 0 < first["ms_after"]
    assert first["bytes_before"] == (run / "model.ckpt").stat().st_size
    assert first["bytes_after"] == file.stat().st_size
    pd.testing.assert_frame_equal(pd.read_csv(done.written, keep_default_na=False), done.table, check_dtype=False)


def changed(file: Path, out: Path, change: Callable[[np.ndarray], np.ndarray], *, part: str = "") -> Path:
    """A copy of an ONNX file, the first initializer with more than one number, whose name holds `part`, changed."""
    graph = onnx.load(file)
    one = next(
        one for one in graph.graph.initializer if part in one.name and one.data_type == 1 and np.prod(one.dims) > 1
    )
    values = change(onnx.numpy_helper.to_array(one).copy())
    one.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), one.name))
    onnx.save(graph, out)
    return out


def test_a_wrong_mean_is_found(place: Path, run: Path, tmp_path: Path) -> None:
    for name in (FORMATS["onnx"], FORMATS["onnx-int8"]):
        file = place / "exported" / name.format(run.name)
        done = ship_check(changed(file, tmp_path / file.name, lambda mean: mean + 0.7, part="mean"), run)
        assert any(fault.startswith("natural: ") for fault in done.faults)
        assert done.table["after"][0] < done.table["before"][0] - 0.1
        assert done.table["flipped"][0]


def test_one_initializer_changed_a_little_is_found(place: Path, run: Path, tmp_path: Path) -> None:
    file = place / "exported" / FORMATS["onnx"].format(run.name)
    done = ship_check(changed(file, tmp_path / file.name, lambda weights: weights * 1.1, part="weight"), run)
    assert len(done.faults) == len(done.table)
    assert "a file in 32 bits must give the same" in done.faults[0]


def test_the_command_ends_with_a_table_and_says_of_a_fault_by_its_exit_status(
    place: Path, run: Path, tmp_path: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    file = place / "exported" / FORMATS["onnx"].format(run.name)
    done = command("-m", "robust", "check", str(file), cwd=place)
    assert done.returncode == 0, done.stderr
    assert "natural" in done.stdout
    assert "KiB; latency" in done.stdout
    assert f"{file.name}.check.csv" in done.stdout
    wrong = changed(file, tmp_path / file.name, lambda mean: mean + 0.7, part="mean")
    done = command("-m", "robust", "check", str(wrong), "--run", str(run), cwd=place)
    assert done.returncode == 1
    assert f"error: {file.name}, natural: the logits differ" in done.stderr


def test_what_cannot_be_checked_is_refused_in_a_sentence(place: Path, run: Path, tmp_path: Path) -> None:
    file = place / "exported" / FORMATS["onnx"].format(run.name)
    alone = Path(shutil.copy(file, tmp_path / "net.onnx"))
    with pytest.raises(ValueError, match=r"is of the run .*, and ./runs does not hold that. Name its folder: --run"):
        ship_check(alone)
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(ValueError, match=f"`--run` must be the run that .* is of, {run.name}; got"):
        ship_check(alone, other)
    graph = onnx.load(alone)
    del graph.metadata_props[:]
    onnx.save(graph, alone)
    with pytest.raises(ValueError, match="does not say which run it is of"):
        ship_check(alone)
    for name in ("missing.onnx", "net.pt", "damaged.onnx", "damaged.safetensors"):
        if name != "missing.onnx":
            (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            ship_check(tmp_path / name)


def test_why_eight_bits_gain_accuracy_is_said_where_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"condition": "noise 0.05", "n": 500, "before": 0.45, "after": 0.75, "changed": 198, "lost": 4, "p": 1e-40}
    row |= {"gained": 156, "logits": 0.9, "flipped": "", "bytes_before": 1, "bytes_after": 1}
    table = pd.DataFrame([{**row, "ms_before": 1.0, "ms_after": 1.0}])
    print_ship_check(table, Path("net.int8.onnx"))
    assert "8 bits cut values off" in capsys.readouterr().out
    print_ship_check(table.assign(after=0.45, p=1.0), Path("net.int8.onnx"))
    assert "8 bits cut values off" not in capsys.readouterr().out
