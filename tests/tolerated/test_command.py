"""`robust tolerance`: finished runs are tested further, nothing is trained again, and wrong words are refused."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import robust
from robust.errors import FailedError
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.experiment.tolerance import measure_tolerance
from robust.runs import RunFolder, State, collect, find_runs
from robust.runs.limits import read_limits
from robust.tolerated import tolerated_levels

SETTINGS = ["evaluation=natural", "trainer.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu"]
FEW = ["perturb=noise", "evaluation.tolerance.between=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A natural digits network and one that learnt noise."""
    root = tmp_path_factory.mktemp("runs")
    for overrides in (["technique=natural"], ["perturb=noise"]):
        status = execute(prepare([f"runs_dir={root}", *SETTINGS, "parent.trainer.max_epochs=2", *overrides]))
        assert status.state is State.DONE, status.reason
    return root


def test_runs_are_tested_further_once_and_the_ratio_is_said(
    runs: Path, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    before = collect(find_runs([runs])).drop_duplicates("run").set_index("run")["reference"].to_dict()
    trained = {path: path.stat().st_mtime_ns for path in runs.rglob("model.ckpt")}
    done = command("-m", "robust", "tolerance", str(runs), "share=0.8", *FEW, "--out", str(tmp_path / "found"))
    assert done.returncode == 0, done.stderr
    assert "constant noise 0.05 tolerates" in done.stdout
    assert "times the level of noise that the natural model does." in done.stdout
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    rows = collect(find_runs([runs]))
    assert rows.drop_duplicates("run").set_index("run")["reference"].to_dict() == before
    assert {*rows["test_perturbation"]} == {"natural", "noise"}
    images = pd.read_parquet(tmp_path / "found" / "images.parquet")
    assert len(images) == 2 * rows["n"].iloc[0]
    assert pd.read_csv(tmp_path / "found" / "levels.csv")["ratio"].notna().sum() == 1
    folders, names = measure_tolerance([str(runs)], FEW)
    assert names == ["natural", "noise"]
    assert len(collect(folders)) == len(rows), "no test is made twice"
    assert all(read_limits(RunFolder(one))["test_perturbation"].tolist() == ["noise"] for one in folders)


def test_a_model_in_python_has_the_levels_of_its_run(runs: Path) -> None:
    (natural,) = runs.glob("*natural*")
    folders, _ = measure_tolerance([str(natural)], FEW)
    (known,) = tolerated_levels(folders, collect(folders), share=0.8).to_dict("records")
    model = robust.load(natural)
    (found,) = robust.tolerance(model, data="digits", perturb="noise", share=0.8).to_dict("records")
    assert found == {name: known[name] for name in found}
    assert found["low"] < found["level"] < found["high"]
    with pytest.raises(ValueError, match=r"got fog\. Severities of published corruptions are no quantity"):
        robust.tolerance(model, data="digits", perturb=["fog"])
    with pytest.raises(ValueError, match=r"`evaluation\.conditions\.noise` must be at least 4 different levels"):
        robust.tolerance(model, data="digits", perturb="noise", overrides=["evaluation.conditions.noise=[0.1,0.2]"])
    with pytest.raises(ValueError, match=r"`target` must be above that of a guess, 0\.1; got 0\.05\. On"):
        robust.tolerance(model, data="digits", perturb="noise", target=0.05)
    with pytest.raises(ValueError, match="`share` must be left out beside a target; got"):
        robust.tolerance(model, data="digits", perturb="noise", target=0.5, share=0.5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["target=1.5"], "`target` must be a number above 0 and below 1; got"),
        (["target=0.5", "share=0.5"], "`share` must be left out where there is a target"),
        (["perturb=nothing"], "nothing"),
        (["perturb=none"], "`perturb` must be perturbations with levels"),
        (["perturb=fog"], "got fog. Severities of published corruptions are no quantity: they cannot be used here."),
        (["perturb=noise", "evaluation.conditions.noise=[0.1]"], "must be at least 4 different levels"),
        (["perturb=noise", "technique=natural"], "`technique`"),
        (["beside=nowhere"], "nowhere must be a run's folder"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_tested(
    runs: Path, command: Callable[..., subprocess.CompletedProcess[str]], words: list[str], said: str
) -> None:
    done = command("-m", "robust", "tolerance", str(runs), *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_run_that_fails_stays_as_it_was(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("robust.experiment.execute.measure_missing", fail)
    kept = {path: path.read_bytes() for path in runs.rglob("status.json")}
    with pytest.raises(FailedError, match="could not be tested: RuntimeError: no"):
        measure_tolerance([str(runs)], ["perturb=blur", "evaluation.tolerance.between=0"])
    assert {path: path.read_bytes() for path in kept} == kept
