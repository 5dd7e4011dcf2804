"""Whatever happens to the files of a run, none is believed that is not what was written there.

Each file of two small runs is cut, emptied, changed by a bit, exchanged for the other run's or deleted, alone and in
pairs; then all that reads a run reads it. With ROBUST_CAMPAIGN=1 in 2,000 ways instead of 60.
"""

import collections
import dataclasses
import functools
import logging
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from robust.attack import ANY
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare, reopen
from robust.experiment.train import train
from robust.measure import CALIBRATION, TEST_KEY, Measurement, Samples, planned_tests
from robust.models import ConvNet
from robust.runs import State, find_runs, read_status, sums, write_status

CASES = 2_000 if os.environ.get("ROBUST_CAMPAIGN") else 60
NETWORK = {"image_shape": [1, 8, 8], "num_classes": 10, "units": [4], "kernel_size": 3}
READERS: dict[str, Callable[[Experiment], Any]] = {
    "status": lambda run: read_status(run.folder).record,
    "identity": lambda run: run.files.identity(),
    "config": lambda run: run.files.read_config(),
    "rows": lambda run: run.files.read_rows(),
    "predictions": lambda run: run.files.read_predictions(),
    "confidence": lambda run: run.files.read_confidence(),
    "confusion": lambda run: run.files.read_confusion(),
    "summary": lambda run: run.files.read_summary(),
    "metrics": lambda run: run.files.read_metrics(),
    "attacks": lambda run: run.files.read_attacks(),
    "attacks without images": lambda run: run.files.read_attacks(images=False),
    "published": lambda run: run.files.read_published(),
    "stability": lambda run: run.files.read_stability(),
    "knn": lambda run: run.files.read_knn(),
    "samples": lambda run: vars(run.files.read_samples() or Samples(*[np.zeros(0)] * 6)),
    "a task's table": lambda run: run.files.read_extra_table("mine.parquet", ["image"]),
    "a task's arrays": lambda run: run.files.read_extra_arrays("mine.npz", {"seen": 2}),
    "model": lambda run: run.files.load_model().state_dict(),
    "reopened": lambda run: reopen(run.folder).identity,
    "found": lambda run: [folder.name for folder in find_runs([run.folder.parent])],
    "missing": lambda run: [test for _, test in run.missing_tests()],
    "attacks left": lambda run: len(run.missing_attacks()),
    "incomplete": lambda run: run.is_incomplete(),
}


@dataclasses.dataclass
class Seen:
    """What a task keeps of a network."""

    seen: np.ndarray


def tables(run: Experiment, chance: np.random.Generator) -> Measurement:
    labels = run.splits.test.labels.numpy().astype(np.uint8)
    rows, predictions = [], []
    for _, test in planned_tests(run.conditions, trials=2, seed=0):
        predicted = np.where(chance.random(len(labels)) < 0.8, labels, chance.integers(0, 10, len(labels)))
        accuracy = (predicted == labels).mean()
        rows.append((*test, len(labels), accuracy, *[0.125] * len(CALIBRATION)))
        bins = [np.arange(60, dtype=np.int32), np.arange(60, dtype=np.int32), np.arange(60, dtype=np.float32)]
        predictions.append((*test, labels, predicted.astype(np.uint8), *bins))
    bins = ["bin_counts", "bin_right", "bin_confidence"]
    return Measurement(
        pd.DataFrame(rows, columns=[*TEST_KEY, "n", "accuracy", *CALIBRATION]),
        pd.DataFrame(predictions, columns=[*TEST_KEY, "label", "predicted", *bins]),
    )


def published(chance: np.random.Generator) -> pd.DataFrame:
    about = {"set": ["mine"], "corruption": [""], "severity": [0], "images": ["0042"], "recreated": [False]}
    figures = {"classes": [2], "n": [7], "accuracy": [chance.random()], "low": [0.0], "high": [1.0]}
    predictions = {name: [np.array([0, 1], np.uint8)] for name in ("label", "predicted")}
    return pd.DataFrame({**about, **figures, **dict.fromkeys(CALIBRATION, np.nan), **predictions})


def stability(chance: np.random.Generator) -> pd.DataFrame:
    about = {"sequence": ["snow"], "evaluation_seed": [0], "frames": [31], "n": [2]}
    figures = {"flip_probability": [chance.random()], "low": [0.0], "high": [1.0]}
    changes = {name: [chance.integers(0, 31, 2).astype(np.int16)] for name in ("flips", "distances")}
    return pd.DataFrame({**about, **figures, **changes})


def write_whole(run: Experiment, seed: int) -> None:
    """All files that a finished run may have, without training: their figures are drawn by the seed."""
    files, chance = run.files, np.random.default_rng(seed)
    torch.manual_seed(seed)
    files.write_config(run.config)
    files.save_model(ConvNet(**NETWORK), {"_target_": "robust.models.ConvNet", **NETWORK})
    files.write_metrics(pd.DataFrame({"epoch": [0, 1], "train_loss": chance.random(2)}))
    files.write_samples(
        Samples(
            names=np.array([one.name for one in run.conditions]),
            levels=np.array([one.level for one in run.conditions]),
            images=chance.integers(0, 256, (len(run.conditions), 2, 1, 4, 4)).astype(np.uint8),
            labels=np.array([0, 1]),
            predicted=chance.integers(0, 10, (len(run.conditions), 2)),
            classes=np.array([str(digit) for digit in range(10)]),
        )
    )
    seen = Seen(chance.integers(0, 9, (3, 4)).astype(np.uint8))
    files.write_extras({"mine.npz": seen, "mine.parquet": pd.DataFrame({"image": [0, 1], "score": chance.random(2)})})
    files.write_tests(tables(run, chance), run.identity, run.reference_name, run.splits.test.classes)
    (attack_plan,) = run.attack_plans
    for pair in attack_plan.missing(run.splits.test, None):
        chosen = attack_plan.chosen(run.splits.test, *pair).numpy()
        about = {"attack": attack_plan.name, "settings": attack_plan.settings, "label": pair[0], "target": ANY}
        pictures = [chance.bytes(16) for _ in chosen]
        attacks = {"image": chosen, "success": True, "threshold": np.nan, "distortion": chance.random(len(chosen))}
        files.add_attacks(pd.DataFrame({**about, **attacks, "original": pictures, "adversarial": pictures}))
    files.write_published(published(chance), set(), run.identity, run.reference_name)
    files.write_stability(stability(chance), run.identity, run.reference_name)
    files.write_knn(untrained=chance.random(), trained=chance.random())
    files.log.write_text("done\n")
    about: dict[str, Any] = {"identity": run.identity.as_dict(), "cost": {"seconds": 0.001, "bytes": 1024.0}}
    write_status(run.folder, State.DONE, durations_s={"train": float(seed)}, **about)


@functools.cache
def two_runs(place: Path) -> tuple[Experiment, Experiment]:
    settings = [f"runs_dir={place}", "technique=natural", "data.source.size=8", "evaluation.trials=2"]
    settings += ["evaluation.families=[noise]", "attack=fgsm", "attack.images=2", "trainer.accelerator=cpu"]
    runs = tuple(prepare([*settings, f"seed={seed}"]) for seed in (1, 2))
    for seed, run in enumerate(runs):
        write_whole(run, seed)
    assert len(runs) == 2
    return runs


@pytest.fixture
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Experiment]:
    return two_runs(tmp_path_factory.getbasetemp() / "whole")


def copy(run: Experiment, place: Path) -> Experiment:
    """The run in another place."""
    shutil.copytree(run.folder, place / run.folder.name)
    return dataclasses.replace(run, config=run.config.changed({"runs_dir": str(place)}))


def damage(path: Path, how: str, other: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "exchanged":
        shutil.copy(other, path)
    else:
        place = chance.randrange(len(content))
        flipped = bytes([content[place] ^ 1 << chance.randrange(8)])
        ways = {"emptied": b"", "cut": content[:place], "changed": content[:place] + flipped + content[place + 1 :]}
        path.write_bytes(ways[how])


def cases(names: list[str], chance: random.Random) -> list[list[tuple[str, str]]]:
    """Which files are damaged, and how: each alone in each way, then pairs."""
    ways = ["deleted", "exchanged", "emptied", "cut", "changed"]
    alone = [[(name, how)] for name in names for how in ways]
    more = [[(name, "changed")] for name in names for _ in range(CASES // 40)]
    pairs = [[(one, chance.choice(ways)), (two, chance.choice(ways))] for one in names for two in names if one < two]
    chance.shuffle(pairs)
    found = [*alone, *more, *pairs * (1 + CASES // max(1, len(pairs)))]
    return found[:CASES] if len(alone) <= CASES else chance.sample(alone, CASES * 2 // 3) + pairs[: CASES // 3]


def plain(value: Any) -> Any:
    """A value to be compared."""
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("list")
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | torch.Tensor):
        return (str(value.dtype), value.shape, value.tolist().__repr__())
    return repr(value)


def ask(run: Experiment) -> dict[str, Any]:
    answers = {}
    for name, read in READERS.items():
        try:
            answers[name] = plain(read(run))
        except (ValueError, OSError) as error:
            answers[name] = error
    return answers


def test_no_damage_goes_unseen(
    runs: tuple[Experiment, Experiment], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, other = runs
    usual = ask(whole)
    assert [one for one in usual.values() if isinstance(one, Exception)] == []
    assert (usual["missing"], usual["attacks left"], usual["incomplete"]) == ([], "0", "False")
    chance, counts = random.Random(7), collections.Counter[str]()
    names = sorted(path.name for path in whole.folder.iterdir() if path.name != "log.txt")
    assert len(names) == 16
    for number, chosen in enumerate(cases(names, chance)):
        run = copy(whole, tmp_path / str(number))
        for name, how in chosen:
            damage(run.folder / name, how, other.folder / name, chance)
        same = all((run.folder / name).is_file() and _same(run, whole, name) for name, _ in chosen)
        caplog.clear()
        sums.forget_what_was_said()
        with caplog.at_level(logging.WARNING):
            answers = ask(run)
        said = caplog.text
        counts["tried"] += 1
        counts["harmless"] += same
        errors = [str(one) for one in answers.values() if isinstance(one, Exception)]
        assert all(str(run.folder) in one or "None of these runs" in one or "There are no" in one for one in errors)
        counts["found"] += bool(errors or said)
        assert same or errors or said, chosen
        for name, answer in answers.items():
            believed = not isinstance(answer, Exception) and answer != usual[name]
            if believed and name not in ("missing", "attacks left", "incomplete", "found"):
                counts["said to be gone"] += 1
                assert "was written, and is gone" in said or "without sums" in said, (chosen, name, answer, usual[name])
        shutil.rmtree(run.folder.parent)
    print(dict(counts))


def _same(run: Experiment, whole: Experiment, name: str) -> bool:
    return (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()


MEASURED = ("rows.csv", "predictions.parquet", "confusion.csv", "summary.json", "samples.npz", "attacks.parquet")
SETTINGS = ["technique=natural", "evaluation.families=[noise]", "attack=fgsm", "attack.images=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, quick: list[str]) -> list[str]:
    """The command of a finished run."""
    command = [f"runs_dir={tmp_path_factory.mktemp('runs')}", *quick, *SETTINGS]
    assert execute(prepare(command)).state is State.DONE
    return command


def contents(run: Experiment) -> dict[str, Any]:
    files = run.files
    read = (files.read_rows, files.read_predictions, files.read_confusion, files.read_attacks)
    return {one.__name__: one().to_csv() for one in read} | {"samples": plain(vars(files.read_samples()))}


@pytest.mark.parametrize("name", [*MEASURED, "config.yaml"])
@pytest.mark.parametrize("how", ["deleted", "changed"])
def test_the_same_command_makes_again_what_is_gone_or_damaged(trained: list[str], name: str, how: str) -> None:
    run = prepare(trained)
    before, model = contents(run), run.files.model.stat().st_mtime_ns
    damage(run.folder / name, how, run.folder, random.Random(0))
    again = prepare(trained)
    assert again.status().state is State.ABSENT
    assert execute(again).state is State.DONE
    assert contents(run) == before
    assert run.files.model.stat().st_mtime_ns == model, "it is not trained again"
    if name in ("summary.json", "config.yaml"):
        assert (run.folder / name).stat().st_size > 0
        assert sums.is_sound(run.folder / name)
    assert not prepare(trained).is_incomplete()


def test_a_damaged_model_is_refused_and_another_is_trained_once_it_is_deleted(trained: list[str]) -> None:
    run = prepare(trained)
    before = contents(run)
    damage(run.files.model, "changed", run.folder, random.Random(0))
    with pytest.raises(ValueError, match=r"model.ckpt is damaged \(it is not what was written"):
        run.load()
    run.files.rows.unlink()
    status = execute(run)
    assert status.state is State.FAILED
    assert f"{run.files.model} is damaged" in status.reason
    assert "Delete it and run again" in status.reason
    run.files.model.unlink()
    assert execute(run).state is State.DONE
    assert contents(run) == before


def test_what_was_measured_of_another_network_is_measured_again(trained: list[str], tmp_path: Path) -> None:
    run = copy(prepare(trained), tmp_path)
    run.files.model.unlink()
    run.files.rows.unlink()
    measured = run.files.published
    measured.write_text("of the former network\n")
    assert execute(run).state is State.DONE
    assert not measured.exists()
    assert "what was measured before is removed: " in run.files.log.read_text()


def test_a_run_that_diverged_is_trained_again(trained: list[str], tmp_path: Path) -> None:
    run = copy(prepare(trained), tmp_path)
    network = run.load()
    with torch.no_grad():
        next(network.parameters())[0] = torch.nan
    run.files.save_model(network, run.architecture())
    write_status(run.folder, State.FAILED, reason="The model must return finite logits; got NaN", durations_s={})
    assert execute(run).state is State.DONE
    assert contents(run) == contents(prepare(trained))


@pytest.mark.parametrize("stopped_before", ["sums.json", "rows.csv", "sums.json again"])
def test_a_process_that_is_killed_while_it_writes_leaves_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_before: str
) -> None:
    path, written, place = tmp_path / "rows.csv", sums.atomic_write, stopped_before.split()[0]
    left = 2 if "again" in stopped_before else 1

    def killed(file: Path, *arguments: Any, **options: Any) -> None:
        nonlocal left
        left -= file.name == place
        if left == 0 and file.name == place:
            raise KeyboardInterrupt
        written(file, *arguments, **options)

    for content in (b"first", b"second"):
        sums.write({path: b"before"})
        with monkeypatch.context() as patch:
            patch.setattr(sums, "atomic_write", killed)
            left = 2 if "again" in stopped_before else 1
            with pytest.raises(KeyboardInterrupt):
                sums.write({path: content})
        assert sums.check(path)
        assert path.read_bytes() == (content if "again" in stopped_before else b"before")
        path.write_bytes(b"other!")
        with pytest.raises(ValueError, match=r"rows.csv is damaged"):
            sums.check(path)
        path.unlink()


def test_a_damaged_file_does_not_pass_where_its_successor_was_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = tmp_path / "rows.csv", sums.atomic_write
    sums.write({path: b"before"})
    path.write_bytes(b"befare")

    def killed(file: Path, *arguments: Any, **options: Any) -> None:
        if file == path:
            raise KeyboardInterrupt
        written(file, *arguments, **options)

    monkeypatch.setattr(sums, "atomic_write", killed)
    with pytest.raises(KeyboardInterrupt):
        sums.write({path: b"after"})
    with pytest.raises(ValueError, match=r"rows.csv is damaged"):
        sums.check(path)


def test_a_file_that_is_replaced_while_it_is_looked_at_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "rows.csv", sums._read
    sums.write({path: b"before"})

    def slow(place: Path) -> Any:
        found = read(place)
        monkeypatch.setattr(sums, "_read", read)
        sums.write({path: b"longer than before"})
        return found

    monkeypatch.setattr(sums, "_read", slow)
    assert sums.check(path)
    assert path.read_bytes() == b"longer than before"


def test_a_file_of_a_newer_version_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "LAYOUT", sums.LAYOUT + 1)
    sums.write({tmp_path / "rows.csv": b"new"})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"rows.csv is damaged \(a newer version of robust wrote it, in layout"):
        sums.check(tmp_path / "rows.csv")


def test_runs_of_an_older_version_are_read_and_that_is_said_once(
    trained: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sums.forget_what_was_said()
    run = copy(prepare(trained), tmp_path)
    (run.folder / "sums.json").unlink()
    assert contents(run) == contents(prepare(trained))
    assert caplog.text.count("has files without sums") == 1


def test_a_run_may_be_renamed(trained: list[str], tmp_path: Path) -> None:
    run = prepare(trained)
    renamed = shutil.copytree(run.folder, tmp_path / "mine")
    assert find_runs([renamed, run.folder]) == [renamed], "a copy is the same run"
    assert reopen(renamed).load().state_dict().keys() == run.load().state_dict().keys()


def test_a_checkpoint_of_another_run_is_not_gone_on_from(trained: list[str], tmp_path: Path) -> None:
    one, two = (
        prepare([*trained, "trainer.checkpoint_every_s=0", f"runs_dir={tmp_path}", seed])
        for seed in ("seed=1", "seed=2")
    )
    one.folder.mkdir(parents=True)
    train(one)
    two.folder.mkdir()
    shutil.copy(one.files.checkpoint, two.files.checkpoint)
    status = execute(two)
    assert status.state is State.FAILED
    assert f"{two.files.checkpoint} is damaged or not one of ours (it is of another run)" in status.reason
