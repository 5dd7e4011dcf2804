"""The files of a run's folder: named in one place, written whole, old and new together."""

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest

import robust
from robust.measure import CALIBRATION, TEST_KEY, Measurement, Samples
from robust.models.registry import allow
from robust.runs import Identity, RunFolder, formats, sums

ROOM = Path(robust.__file__).parent
FILES = {
    *("config.yaml", "model.ckpt", "last.ckpt", "rows.csv", "predictions.parquet", "confusion.csv"),
    *("summary.json", "metrics.csv", "log.txt", "status.json", "claim.json", "attacks.parquet"),
    *("published.parquet", "stability.parquet", "knn.csv", "samples.npz", "sums.json"),
}
FOLDERS = {"report", "wandb", "tensorboard"}
IDENTITY = Identity("digits", "convnet", "constant", "noise", 0.1, 0, digest="0123456789", kind="4567")
CLASSES = ["zero", "one"]


def names_of_files(tree: ast.Module) -> Iterator[str]:
    """The names of a run's files that a module spells, docstrings and sentences aside: alone or at the end of a path;
    those of folders where a path is put together."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield from FILES & {PurePosixPath(node.value).name}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            yield from FOLDERS & {str(node.right.value)}


def test_one_room_names_the_files_of_a_run() -> None:
    sources = {path.relative_to(ROOM): ast.parse(path.read_text()) for path in ROOM.rglob("*.py")}
    spelled = {str(path): sorted(found) for path, tree in sources.items() if (found := set(names_of_files(tree)))}
    assert {name for path, names in spelled.items() for name in names} >= FILES, "what is looked for is found"
    assert {path: names for path, names in spelled.items() if not path.startswith("runs/")} == {}
    assert set(spelled) == {"runs/folder.py", "runs/sums.py"}


def test_reading_runs_does_not_wait_for_lightning() -> None:
    check = "import sys, robust.runs; sys.exit('pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOM.parent, check=False).returncode == 0


def measured(conditions: dict[str, float], *, trial: int = 0) -> Measurement:
    """Tests of two images, the first of which is recognised, under conditions at level 1, with their accuracies."""
    tests = [dict(zip(TEST_KEY, (name, 1.0, trial, 0), strict=True)) for name in conditions]
    rows = [{**test, "n": 2, "accuracy": accuracy} for test, accuracy in zip(tests, conditions.values(), strict=True)]
    predictions = [{**test, "label": np.array([0, 1]), "predicted": np.array([0, 0])} for test in tests]
    return Measurement(pd.DataFrame(rows).reindex(columns=[*rows[0], *CALIBRATION]), pd.DataFrame(predictions))


def write(run: RunFolder, what: Measurement) -> None:
    run.write_tests(what, IDENTITY, "natural-run", CLASSES)


def test_nothing_is_there_before_it_is_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.known_tests() == set()
    found = [
        *(run.read_predictions(), run.read_confidence(), run.read_confusion(), run.read_metrics(), run.read_attacks()),
        *(run.made_attacks(), run.read_published(), run.read_stability(), run.read_knn(), run.read_samples()),
        *(run.read_extra_table("mine.parquet", ["image"]), run.read_extra_arrays("mine.npz", {"a": 1})),
        *(run.read_record(), run.identity()),
    ]
    assert found == [None] * len(found)
    assert not run.path.exists()


def test_each_test_stands_once_with_what_it_came_to_last(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write(run, measured({"natural": 0.9, "noise": 0.5}))
    write(run, measured({"noise": 0.6, "blur": 0.3}))
    rows = run.read_rows()
    assert dict(zip(rows["test_perturbation"], rows["accuracy"], strict=True)) == {
        "natural": 0.9,
        "noise": 0.6,
        "blur": 0.3,
    }
    assert set(rows["reference"]) == {"natural-run"}
    assert run.known_tests() == set(rows[TEST_KEY].itertuples(index=False, name=None))
    confusion = run.read_confusion()
    assert confusion is not None
    assert confusion["count"].sum() == 6
    summary = run.read_summary()
    assert (summary["natural"], summary["worst_condition"]) == (0.9, ["blur", 1.0])
    assert [one["test_perturbation"] for one in summary["conditions"]] == ["natural", "noise", "blur"]


def test_a_test_is_known_where_its_row_and_its_predictions_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    write(run, measured({"natural": 0.9}))
    known = run.known_tests()
    atomic_write = sums.atomic_write

    def stopped(path: Path, content: Any, **options: Any) -> None:
        if path == run.rows:
            raise OSError(28, "No space left on device")
        atomic_write(path, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(sums, "atomic_write", stopped)
        with pytest.raises(OSError, match="No space left"):
            write(run, measured({"noise": 0.5}))
    assert run.known_tests() == known, "the rows come last"
    write(run, measured({"blur": 0.3}))
    predictions = run.read_predictions()
    assert predictions is not None
    assert list(predictions["test_perturbation"]) == ["natural", "blur"], "predictions without a row do not stay"
    run.predictions.unlink()
    assert run.known_tests() == set()


def test_damaged_rows_are_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.rows.write_text("run,data\n1,2\n")
    with pytest.raises(ValueError, match=r"rows.csv is damaged \(no model, technique, .*Delete it and run again"):
        run.read_rows()


def test_attacks_of_old_stay_and_stand_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "mine")
    about = {"attack": "fgsm", "settings": "{}", "label": 3, "target": -1, "threshold": np.nan}
    kept = {"original": b"a", "adversarial": b"b"}
    run.add_attacks(pd.DataFrame({**about, "image": [0, 1], "success": [True, False], **kept}))
    run.add_attacks(pd.DataFrame({**about, "image": [1, 2], "success": [True, True], **kept}))
    attacks = run.read_attacks()
    assert attacks is not None
    assert dict(zip(attacks["image"], attacks["success"], strict=True)) == {0: True, 1: True, 2: True}
    assert set(attacks["run"]) == {"mine"}
    without = run.read_attacks(images=False)
    assert without is not None
    assert set(attacks) - set(without) == set(kept)


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = Samples(
        names=np.array(["natural", "noise"]),
        levels=np.array([0.0, 0.5]),
        images=random.integers(0, 256, (2, 3, 1, 4, 4)).astype(np.uint8),
        labels=np.array([0, 1, 2]),
        predicted=np.array([[0, 1, 2], [0, 0, 2]]),
        classes=np.array(["zero", "one", "größer"]),
    )
    run = RunFolder(tmp_path)
    run.write_samples(samples)
    kept = run.read_samples()
    assert kept is not None
    for name, array in vars(samples).items():
        np.testing.assert_array_equal(getattr(kept, name), array)


def published(name: str, corruptions: dict[str, float], images: str) -> pd.DataFrame:
    """Tests of a published set, with their accuracies."""
    about = {"set": name, "corruption": [*corruptions], "severity": 1, "images": images, "recreated": False}
    figures = {"n": 2, "accuracy": [*corruptions.values()], "low": 0.0, "high": 1.0}
    return pd.DataFrame({**about, **figures, "label": None, "predicted": None})


def test_tests_of_published_sets_stand_once_and_others_go_with_their_images(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    first = {("A", "fog", 1, "0042"), ("A", "snow", 1, "0042"), ("B", "fog", 1, "7")}
    run.write_published(published("A", {"fog": 0.5, "snow": 0.25}, "0042"), first, IDENTITY, "natural-run")
    run.write_published(published("B", {"fog": 0.75}, "7"), first, IDENTITY, "natural-run")
    assert run.known_published() == first
    run.write_published(published("A", {"fog": 0.125}, "43"), {("A", "fog", 1, "43")}, IDENTITY, "natural-run")
    assert run.known_published() == {("B", "fog", 1, "7"), ("A", "fog", 1, "43")}
    found = run.read_published(predictions=False)
    assert found is not None
    assert found["accuracy"].to_list() == [0.75, 0.125]
    assert set(found["train_perturbation"]) == {"noise"}


@pytest.mark.parametrize(
    "content",
    [
        "data: {source: {_target_: os.system, command: touch made}}\n",
        "attack: {_target_: robust.attack.AttackPlan, search: shutil.rmtree}\n",
        "attack: {several: {one: {search: robust.files.atomic_write}}}\n",
        "task: {network: subprocess.Popen}\n",
        "model: {_target_: robust.experiment.search_path.use_project}\n",
    ],
)
def test_a_configuration_that_would_call_what_nobody_here_named_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"config.yaml names .* and is not called"):
        RunFolder(tmp_path).read_config()


def test_parts_of_this_library_and_of_ones_own_choices_are_called(tmp_path: Path) -> None:
    others = ("model", "perturb", "technique", "task", "trainer", "evaluation", "attack", "logger")
    content = "data: {source: {_target_: mine_alone.pictures}}\noptimizer: {_target_: torch.optim.Adam}\n"
    content += "".join(f"{name}: {{}}\n" for name in others)
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"names mine_alone.pictures \(`data.source._target_`\)"):
        RunFolder(tmp_path).read_config()
    allow(["mine_alone.pictures"])
    assert RunFolder(tmp_path).read_config().optimizer["_target_"] == "torch.optim.Adam"


@dataclasses.dataclass
class Seen:
    """What a task may keep."""

    a: np.ndarray


def test_files_that_a_task_keeps_are_known_forgotten_and_missed(tmp_path: Path) -> None:
    run, names = RunFolder(tmp_path), ("mine.parquet", "mine.npz")
    write(run, measured({"natural": 0.9}))
    assert not run.has_extras(names)
    run.write_extras({"mine.npz": Seen(np.arange(3)), "mine.parquet": pd.DataFrame({"image": [1, 2]})})
    assert run.has_extras(names)
    table, arrays = run.read_extra_table("mine.parquet", ["image"]), run.read_extra_arrays("mine.npz", {"a": 1})
    assert table is not None
    assert table["image"].tolist() == [1, 2]
    assert arrays is not None
    assert arrays["a"].tolist() == [0, 1, 2]
    (tmp_path / "mine.npz").unlink()
    assert not run.has_extras(names)
    assert "mine.npz" in run.lost(names, tested=True)
    assert "mine.npz" not in run.lost([], tested=True), "another command made it"
    assert "mine.parquet" in run.forget_tests()
    assert not (tmp_path / "mine.parquet").exists()


def test_of_files_that_a_task_keeps_none_lies_elsewhere(tmp_path: Path) -> None:
    run, victim = RunFolder(tmp_path / "run"), tmp_path / "victim.npz"
    run.path.mkdir()
    victim.write_bytes(b"mine")
    sums._write_sums(run.path / "sums.json", {"../victim.npz": sums._entry(b"mine")})
    assert run.forget_tests() == []
    assert victim.is_file()


def test_settings_are_read_as_they_were_written_words_that_look_like_numbers_too(tmp_path: Path) -> None:
    words = ["1e-3", "1.", ".5", "0x10", "1_000", "yes", "off", "null", "~", "2024-01-01", "", " x", "a: b", "#", "ü\n"]
    shared = ["noise", 0.05]
    settings = {"words": words, "numbers": [1, 1e-3, 1e-30, -0.5, float("inf")], "nothing": None, "on": True}
    path = tmp_path / "config.yaml"
    path.write_text(formats.yaml_text({**settings, "one": shared, "two": {"again": shared}}))
    assert formats.read_yaml(path) == {**settings, "one": shared, "two": {"again": shared}}
