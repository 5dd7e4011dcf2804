"""An evidence sheet: every figure is its rows', what was not tested is said, and a stated range is covered or not."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robust.document import texts
from robust.evidence import evidence, read_subject, write_evidence
from robust.evidence.ranges import NO, UNKNOWN, YES, check_ranges, coverage, tolerated
from robust.evidence.untested import untested
from robust.evidence.weaknesses import class_accuracies
from robust.experiment.build import build_splits
from robust.experiment.execute import execute
from robust.measure import CALIBRATION, confusion_counts
from robust.measure.confusion import confusion_shares
from robust.measure.intervals import student, wilson
from robust.runs import load
from robust.runs.tables import COLUMNS

LABELS = np.arange(400) % 10
CLASSES = [f"class {number}" for number in range(10)]
NOISES, LUXES = (0.02, 0.05, 0.1, 0.2), (1.0, 10.0, 100.0, 1000.0)


def run(place: Path, *, seed: int = 0, middle: float = 0.1, attacks: bool = True, technique: str = "natural") -> Path:
    """A run whose images fall about this noise, and below 30 lux; class 3 is known in one of two images."""
    random = np.random.default_rng([seed, 7])
    known = (random.random(len(LABELS)) < 0.95) & ~((LABELS == 3) & (np.arange(len(LABELS)) % 20 < 10))
    falls, lux = middle * np.exp(0.5 * random.standard_normal(len(LABELS))), 30 * np.exp(random.standard_normal(400))
    tests = [("natural", 0.0, known), ("blur", 1.0, known & (np.arange(len(LABELS)) % 7 > 0))]
    tests += [("noise", level, known & (falls > level)) for level in NOISES]
    tests += [("light@phone_4", level, known & (lux < level)) for level in LUXES]
    guessed = random.random((len(tests), len(LABELS))) < 0.1
    tests = [(name, level, right | guessed[place]) for place, (name, level, right) in enumerate(tests)]
    folder = place / f"{technique}-{seed}"
    about = {"run": folder.name, "data": "digits", "model": "convnet", "technique": technique, "seed": seed}
    about |= {"train_perturbation": "none", "train_level": 0.0, "kind": technique, "n": len(LABELS)}
    about |= {"reference": folder.name, "trial": 0, "evaluation_seed": 0, **dict.fromkeys(CALIBRATION, 0.125)}
    folder.mkdir(parents=True)
    rows = [
        {
            "test_perturbation": name,
            "test_level": level,
            "accuracy": one.mean(),
            "exposure": "" if level == 0 else "far",
        }
        for name, level, one in tests
    ]
    pd.DataFrame(rows).assign(**about)[COLUMNS].to_csv(folder / "rows.csv", index=False)
    kept = pd.DataFrame(
        {"test_perturbation": name, "test_level": level, "trial": 0, "evaluation_seed": 0}
        | {"label": LABELS, "predicted": np.where(one, LABELS, (LABELS + 1) % 10)}
        for name, level, one in tests
    )
    kept.to_parquet(folder / "predictions.parquet")
    confusion_counts(kept, CLASSES).to_csv(folder / "confusion.csv", index=False)
    session = {"command": "robust train", "git_commit": "abc", "versions": {"robust": "1", "torch": "2"}}
    session |= {"finished": "2026-01-02T03:04:05+0000", "durations_s": {}, "host": "", "cores": 2}
    record = {"state": "done", "reason": "", "trained_on": {}, **session, "sessions": [session]}
    (folder / "status.json").write_text(json.dumps(record))
    if attacks:
        success = np.arange(50) % 5 == 0
        attack = pd.DataFrame({"image": np.arange(50), "label": LABELS[:50], "before": LABELS[:50], "success": success})
        told = {"run": folder.name, "attack": "pgd", "settings": json.dumps({"eps": 8 / 255}), "target": -1}
        told |= {"threshold": np.nan, "distortion": 0.1, "linf": 0.1, "steps": 1, "queries": 1, "fault": ""}
        attack.assign(**told, after=np.where(success, 9, attack["label"])).to_parquet(folder / "attacks.parquet")
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return run(tmp_path / "runs")


def table_of(places: list[Path], section: str, name: str, **stated: float) -> pd.DataFrame:
    subject = read_subject(places)
    sections = {part.title: part for part in evidence(subject, check_ranges(subject, stated)).sections}
    return sections[section].tables[name].shown


def test_every_accuracy_on_the_sheet_is_that_of_the_rows(one: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(one / "rows.csv")
    shown = table_of([one], "Accuracy", "accuracy")
    assert len(shown) == len(rows)
    for (_, line), (_, row) in zip(shown.iterrows(), rows.iterrows(), strict=True):
        low, high = wilson(row["accuracy"], row["n"])
        assert float(line["accuracy, %"]) == pytest.approx(100 * row["accuracy"], abs=0.051)
        ends = [float(word) for word in line["95 % interval"].split(" to ")]
        assert ends == pytest.approx([100 * low, 100 * high], abs=0.051)
        drop = 100 * (rows["accuracy"][0] - row["accuracy"])
        assert float(line["drop, points"]) == pytest.approx(drop, abs=0.11)
    folders = [one, *(run(one.parent, seed=seed) for seed in (1, 2))]
    accuracies = [pd.read_csv(folder / "rows.csv")["accuracy"][0] for folder in folders]
    line = table_of(folders, "Accuracy", "accuracy").iloc[0]
    ends = [float(word) for word in line["95 % interval"].split(" to ")]
    assert line["seeds"] == 3
    assert ends == pytest.approx([100 * end for end in student(accuracies)[1:]], abs=0.051)


def test_the_text_of_a_sheet_has_no_figure_that_no_table_has(one: Path) -> None:
    """Sentences repeat what tables say, and add none."""
    subject = read_subject([one])
    document = evidence(subject, {"noise": 0.03})
    cells = {
        str(cell) for part in document.sections for table in part.tables.values() for cell in table.shown.values.flat
    }
    figures = set(re.findall(r"\d+\.\d", " ".join(cells)))
    said = " ".join(
        part.text for part in document.sections if part.title in ("Accuracy", "Attacks", "Tolerated levels")
    )
    assert said.count("%") >= 3
    assert set(re.findall(r"\d+\.\d", said)) <= figures


def test_classes_are_ordered_by_accuracy_and_the_weak_one_is_found(one: Path) -> None:
    predictions = pd.read_parquet(one / "predictions.parquet")
    natural = predictions[predictions["test_perturbation"] == "natural"].iloc[0]
    right = natural["label"] == natural["predicted"]
    shown = table_of([one], "Known weaknesses by class", "classes")
    assert shown["class"].iloc[0] == "class 3"
    assert shown["below"].tolist() == ["yes", *[""] * 9]
    assert shown["images"].tolist() == [40] * 10
    for name, accuracy in zip(shown["class"], shown["accuracy, %"], strict=True):
        assert float(accuracy) == pytest.approx(100 * right[CLASSES.index(name) == LABELS].mean(), abs=0.051)
    hardest = table_of([one], "Known weaknesses by class", "hardest-classes").set_index("tested on")
    assert {*hardest.index} == {"noise 0.2", "light@phone_4 1", "blur 1"}
    shares = confusion_shares([pd.read_csv(one / "confusion.csv")] * 3)
    assert class_accuracies(shares, "natural", 3)["images"].tolist() == [40] * 10, "images are counted once"


def test_robust_accuracy_is_that_of_the_attacks(one: Path) -> None:
    line = table_of([one], "Attacks", "attacks").iloc[0]
    assert line["attack"] == "pgd eps=8/255"
    assert line[["images", "natural accuracy, %", "robust accuracy, %"]].tolist() == [50, "100.0", "80.0"]
    low, high = wilson(0.8, 50)
    assert line["95 % interval"] == f"{100 * low:.1f} to {100 * high:.1f}"


@pytest.mark.parametrize(
    ("name", "level", "covered"),
    [
        ("noise", 0.025, YES),
        ("noise", 0.15, NO),
        ("noise", 5.0, NO),  # beyond the levels tested, and lost within them
        ("light@phone_4", 900.0, YES),
        ("light@phone_4", 10.0, NO),  # less is harder
        ("blur", 0.5, UNKNOWN),  # one level
        ("rotate", 10.0, UNKNOWN),  # not tested
    ],
)
def test_a_stated_range_is_covered_where_the_whole_interval_lies_beyond(
    one: Path, name: str, level: float, covered: str
) -> None:
    subject = read_subject([one])
    assert coverage(subject, tolerated(subject, None), name, level)["covered"] == covered


def test_what_lies_beyond_all_levels_or_within_the_interval_is_not_known(tmp_path: Path) -> None:
    subject = read_subject([run(tmp_path, middle=30.0)])  # no level tested is felt
    levels = tolerated(subject, None)
    assert coverage(subject, levels, "noise", 0.2)["covered"] == YES
    beyond = coverage(subject, levels, "noise", 0.3)
    assert (beyond["covered"], beyond["tolerated"]) == (UNKNOWN, "≥ 0.2")
    assert "beyond the levels tested" in beyond["because"]
    subject = read_subject([run(tmp_path, middle=0.1, technique="other")])
    levels = tolerated(subject, None)
    level = levels.set_index("perturbation").loc["noise", "level"]
    assert coverage(subject, levels, "noise", level)["covered"] == UNKNOWN
    lost = tolerated(subject, 0.99)  # never reached, not even at the least level
    assert coverage(subject, lost, "noise", 0.01)["covered"] == UNKNOWN
    assert coverage(subject, lost, "noise", 0.1)["covered"] == NO


def test_a_curve_that_a_tested_level_contradicts_covers_nothing(one: Path) -> None:
    subject = read_subject([one])
    levels = tolerated(subject, None)
    levels.loc[levels["perturbation"] == "noise", ["low", "level", "high"]] = [0.15, 0.16, 0.17]
    found = coverage(subject, levels, "noise", 0.12)
    assert (found["covered"], "against the curve" in found["because"]) == (UNKNOWN, True)


def test_what_was_not_tested_is_said_and_only_that(tmp_path: Path) -> None:
    def said(folder: Path) -> str:
        subject = read_subject([folder])
        return " ".join(untested(subject, tolerated(subject, None)))

    whole, bare = run(tmp_path / "whole"), run(tmp_path / "bare", attacks=False)
    assert "Attacks other than pgd eps=8/255" in said(whole)
    assert "Adversarial attacks of any kind" not in said(whole)
    assert "Adversarial attacks of any kind" in said(bare)
    assert "families: pixels, weather, colour, geometry, occlusion, compression" in said(whole)
    assert "1 of the 3 seeds" in said(whole)
    assert "no quantity): blur" in said(whole)
    assert "predictions were not kept" not in said(whole)
    (bare / "predictions.parquet").unlink()
    assert "predictions were not kept" in said(bare)
    assert "no quantity): blur, noise, light@phone_4" in said(bare)


def test_a_run_without_predictions_or_attacks_still_has_its_sheet(tmp_path: Path) -> None:
    folder = run(tmp_path / "bare", attacks=False)
    (folder / "predictions.parquet").unlink()
    subject = read_subject([folder])
    document = evidence(subject, {"noise": 0.05})
    said = {part.title: part for part in document.sections}
    assert said["Attacks"].text == "No attack was made."
    assert said["Tolerated levels"].text.startswith("None is known")
    intended = said["Intended range of conditions, and what was tested"].tables["intended"].shown.iloc[0]
    assert (intended["covered"], intended["tolerated"]) == (UNKNOWN, "")


def test_the_hash_is_another_where_a_row_or_an_attack_is(tmp_path: Path) -> None:
    def digest(folder: Path) -> str:
        return re.findall("[0-9a-f]{64}", evidence(read_subject([folder]), {}).foot)[0]

    folder = run(tmp_path / "runs")
    first = digest(folder)
    assert digest(Path(shutil.copytree(folder, tmp_path / "moved" / folder.name))) == first
    rows = pd.read_csv(folder / "rows.csv")
    rows.loc[3, "accuracy"] += 1 / 400
    rows.to_csv(folder / "rows.csv", index=False)
    second = digest(folder)
    attacks = pd.read_parquet(folder / "attacks.parquet")
    attacks.loc[1, "success"] = True
    attacks.to_parquet(folder / "attacks.parquet")
    assert len({first, second, digest(folder)}) == 3


def test_the_sheet_is_the_same_for_the_same_run_and_says_nothing_of_now(one: Path, tmp_path: Path) -> None:
    both = [write_evidence([one], tmp_path / name, stated={"noise": 0.03}) for name in ("a", "b")]
    assert [path.name for path in both[0]] == ["evidence.html", "evidence.pdf"]
    for first, second in zip(*both, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert b"20260102030405" in both[0][1].read_bytes()
    text = both[0][0].read_text()
    assert "2026-01-02 03:04:05" in text
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert "no certificate" in text


def test_without_a_folder_the_sheet_lies_beside_the_runs(one: Path) -> None:
    (page,) = write_evidence([one.parent], stated={}, formats=["html"])
    assert page == one.parent / "evidence-natural" / "evidence.html"
    write_evidence([one.parent], stated={}, formats=["html"])  # what lies there is no run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stated": {"nosie": 0.1}}, "perturbation; got nosie. Did you mean `noise`?"),
        ({"stated": {"noise": 0.0}}, "a level above 0; got noise=0"),
        ({"stated": {"noise": float("nan")}}, "a level above 0; got noise=nan"),
        ({"formats": ["docx"]}, "some of html, pdf; got docx"),
        ({"target": 1.5}, "`--target` must be above 0 and at most 1; got 1.5"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(
    options: dict[str, Any], message: str, one: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        write_evidence([one], tmp_path / "out", **{"stated": {}, **options})
    assert not (tmp_path / "out").exists()


def test_runs_of_two_kinds_and_unfinished_ones_are_refused(one: Path, tmp_path: Path) -> None:
    run(one.parent, technique="harden")
    with pytest.raises(ValueError, match="these are 2: harden, natural"):
        write_evidence([one.parent], tmp_path / "out", stated={})
    status = one / "status.json"
    status.write_text(status.read_text().replace('"done"', '"failed"'))
    with pytest.raises(FileNotFoundError, match="None of these runs is done and measured"):
        write_evidence([one], tmp_path / "out", stated={})


def test_a_cameras_name_may_be_left_out(one: Path) -> None:
    assert check_ranges(read_subject([one]), {"light": 10}) == {"light@phone_4": 10}


def test_all_that_the_sheet_says_stands_on_the_page(one: Path, tmp_path: Path, unescaped: Callable[[str], str]) -> None:
    subject = read_subject([one])
    (page,) = write_evidence([one], tmp_path, stated={"noise": 0.03}, formats=["html"])
    text = unescaped(page.read_text())
    for piece in texts(evidence(subject, {"noise": 0.03})):
        assert " ".join(piece.split()) in text


def test_a_trained_run_is_told_by_its_network_and_its_images(make_run: Callable[..., Any], tmp_path: Path) -> None:
    experiment = make_run("technique=natural", "evaluation=natural", "trainer.max_epochs=1")
    execute(experiment)
    shown = table_of([experiment.folder], "What was tested", "what").set_index("what")["value"]
    images = build_splits(experiment.config.data).test.images.numpy()
    assert shown["test images, SHA-256"] == hashlib.sha256(images.tobytes()).hexdigest()
    state = load(experiment.folder).state_dict()
    assert shown["values in the network"].startswith(f"{sum(one.numel() for one in state.values()):,} in ")
    files = table_of([experiment.folder], "What was tested", "files").set_index("file")["SHA-256"]
    for name in ("model.ckpt", "rows.csv", "config.yaml"):
        assert files[name] == hashlib.sha256((experiment.folder / name).read_bytes()).hexdigest()


def test_images_that_are_not_there_are_not_hashed(one: Path) -> None:
    shown = table_of([one], "What was tested", "what").set_index("what")["value"]
    assert shown["test images, SHA-256"] == "not hashed: the data are not here"
    assert shown["labels of the test images, SHA-256"] == hashlib.sha256(LABELS.astype("uint16").tobytes()).hexdigest()
