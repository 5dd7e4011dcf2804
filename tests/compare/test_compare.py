"""What changed between two sets of runs: from runs written by hand, whose differences are known."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robust.cli import main
from robust.compare import (
    compared,
    comparison_lines,
    comparison_sections,
    print_comparison,
    read_side,
    write_comparison,
)
from robust.compare.differences import ALL, BOTH, CONDITION, IMAGES, NONE, PERTURBATION, SEEDS
from robust.measure import CALIBRATION
from robust.runs.tables import COLUMNS

LABELS = np.arange(200) % 10
TESTS = [("natural", 0.0), ("noise", 0.05), ("noise", 0.1), ("blur", 1.0)]
Settings = dict[str, Any]


def run(
    place: Path,
    wrong: dict[tuple[str, float], int],
    *,
    seed: int = 0,
    technique: str = "natural",
    kind: str = "",
    predictions: bool = True,
    settings: Settings | None = None,
    labels: np.ndarray = LABELS,
    **changed: Any,
) -> Path:
    """A run that gets so many images wrong under each condition: of the first 100, those from the place of its seed."""
    about = {"run": f"{technique}-{seed}", "data": "digits", "model": "convnet", "technique": technique, "seed": seed}
    about |= {"train_perturbation": "none", "train_level": 0.0, "kind": kind or technique, "n": len(labels)}
    about |= {"reference": "natural-0", "trial": 0, "evaluation_seed": 0, "exposure": ""}
    about |= dict.fromkeys(CALIBRATION, 0.1) | changed
    folder = place / str(about["run"])
    folder.mkdir(parents=True)
    rows, kept = [], []
    for (name, level), count in wrong.items():
        missed = np.isin(np.arange(len(labels)), np.arange(count) + 10 * seed)
        test = {"test_perturbation": name, "test_level": level}
        rows.append({**test, "accuracy": 1 - missed.mean()})
        predicted = np.where(missed, (labels + 1) % 10, labels)
        kept.append({**test, "trial": 0, "evaluation_seed": 0, "label": labels, "predicted": predicted})
    pd.DataFrame(rows).assign(**about)[COLUMNS].to_csv(folder / "rows.csv", index=False)
    if predictions:
        pd.DataFrame(kept).to_parquet(folder / "predictions.parquet")
    (folder / "status.json").write_text(json.dumps({"state": "done", "reason": ""}))
    if settings is not None:
        (folder / "config.yaml").write_text(json.dumps(settings))
    return folder


def of_all(*counts: int) -> dict[tuple[str, float], int]:
    return dict(zip(TESTS, counts, strict=True))


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Three seeds each; the second side has 2, 10, 20 and 0 images more right."""
    for seed in range(3):
        run(tmp_path / "old", of_all(10, 40, 60, 30), seed=seed)
        run(tmp_path / "new", of_all(8, 30, 40, 30), seed=seed)
    return tmp_path / "old", tmp_path / "new"


def test_each_condition_perturbation_and_all_have_their_difference(sides: tuple[Path, Path]) -> None:
    found = compared(*map(read_side, sides))
    lines = found.lines.set_index(["scope", "test_perturbation", "test_level"])
    known = {
        (CONDITION, "natural", 0.0): (0.95, 0.96, 0.01),
        (CONDITION, "noise", 0.05): (0.8, 0.85, 0.05),
        (CONDITION, "noise", 0.1): (0.7, 0.8, 0.1),
        (CONDITION, "blur", 1.0): (0.85, 0.85, 0.0),
        (PERTURBATION, "noise", np.nan): (0.75, 0.825, 0.075),
        (ALL, ALL, np.nan): (2.35 / 3, 2.5 / 3, 0.05),
    }
    assert len(lines) == len(known)
    for key, values in known.items():
        line = lines.loc[[key]].iloc[0]
        assert line[["before", "after", "difference"]].tolist() == pytest.approx(values)
        assert line["low"] <= line["difference"] <= line["high"]
        assert (line["over"], line["seeds"], line["images"]) == (BOTH, 3, 200)
    assert (found.rows, found.equal) == (12, 3)


def test_tolerated_levels_have_their_ratio_where_both_sides_have_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels, counts = [0.01, 0.02, 0.04, 0.08, 0.16], [11, 14, 50, 110, 160, 178]
    for seed in range(2):  # what the first side misses at a level, the second misses at twice that
        for place, side in enumerate(("new", "old")):
            missed = dict(zip([("noise", one) for one in levels], counts[place:], strict=False))
            run(tmp_path / side, {TESTS[0]: 10, **missed}, seed=seed)
    found = compared(read_side(tmp_path / "old"), read_side(tmp_path / "new"))
    (line,) = found.tolerated.to_dict("records")
    assert (line["perturbation"], line["seeds"], line["target"]) == ("noise", 2, pytest.approx(0.9 * 0.95))
    assert line["level"] / line["before"] == pytest.approx(line["ratio"])
    assert line["ratio"] == pytest.approx(2, rel=0.1)
    assert 1.5 < line["ratio_low"] < line["ratio"] < line["ratio_high"] < 3
    print_comparison(found)
    assert "more" in capsys.readouterr().out.partition("tolerated levels")[2]
    (section,) = [one for one in comparison_sections(found) if one.title == "Tolerated levels"]
    assert section.tables["tolerated"].shown["tolerates"].tolist() == ["more"]
    unlike = compared(read_side(tmp_path / "new" / "natural-0"), read_side(tmp_path / "new" / "natural-0"))
    assert unlike.tolerated.empty, "nothing changed"


def ends_early(folder: Path, name: str) -> None:
    """Makes the tests of a run under this perturbation such as ended after 50 images."""
    rows, kept = pd.read_csv(folder / "rows.csv"), pd.read_parquet(folder / "predictions.parquet")
    ended = rows["test_perturbation"] == name
    about = {"until": "narrow", "until_low": 0.5, "until_high": 1.0, "until_images": len(LABELS), "until_trials": 1}
    rows.loc[ended, [*about]] = [*about.values()]
    rows.loc[ended, "n"] = 50
    rows.to_csv(folder / "rows.csv", index=False)
    kept["images"] = [np.arange(50) if early else None for early in ended]
    for column in ("label", "predicted"):
        kept[column] = [one[:50] if early else one for one, early in zip(kept[column], ended, strict=True)]
    kept.to_parquet(folder / "predictions.parquet")


def test_tests_that_ended_early_are_compared_where_both_did_after_the_same_images(sides: tuple[Path, Path]) -> None:
    for seed in range(3):
        ends_early(sides[1] / f"natural-{seed}", "noise")
    (apart,) = compared(*map(read_side, sides)).apart
    assert "tested in other trials, or on other images: noise 0.05, noise 0.1" in apart
    for seed in range(3):
        ends_early(sides[0] / f"natural-{seed}", "noise")
    found = compared(*map(read_side, sides))
    lines = found.lines[found.lines["scope"] == CONDITION].set_index("test_perturbation")
    assert lines.loc["noise", "over"].tolist() == [SEEDS, SEEDS]
    assert lines.loc["noise", "difference"].tolist() == pytest.approx([0.05, 0.1])
    assert lines.loc[["natural", "blur"], "over"].tolist() == [BOTH, BOTH]


def test_intervals_are_over_the_images_where_seeds_agree_and_over_seeds_where_they_do_not(tmp_path: Path) -> None:
    def low_and_high(name: str, counts: tuple[int, ...], **options: Any) -> list[float]:
        for seed, count in enumerate(counts):
            run(tmp_path / name / "old", {TESTS[0]: 60}, seed=seed, **options)
            run(tmp_path / name / "new", {TESTS[0]: count}, seed=seed, **options)
        line = compared(*(read_side(tmp_path / name / side) for side in ("old", "new"))).lines.iloc[0]
        return [line["low"], line["high"], line["over"]]

    low, high, over = low_and_high("agree", (50, 50, 50))
    assert over == BOTH
    half = 1.96 * ((0.15 / 9 - 0.05**2) / 200) ** 0.5  # 30 of 200 images are gained, each by one network of three
    assert (low, high) == pytest.approx((0.05 - half, 0.05 + half), abs=0.003)
    low, high, over = low_and_high("differ", (40, 50, 60))
    student = 4.302653 * 0.05 / 3**0.5
    assert low < 0.05 - student
    assert high > 0.05 + student
    low, high, over = low_and_high("alone", (40, 50, 60), predictions=False)
    assert (low, high, over) == pytest.approx((0.05 - student, 0.05 + student, SEEDS))
    assert low_and_high("one", (50,))[2] == IMAGES
    low, high, over = low_and_high("nothing", (50,), predictions=False)
    assert over == NONE
    assert np.isnan([low, high]).all()


def test_runs_are_pairs_by_seed_whatever_their_folders_are_called(tmp_path: Path) -> None:
    """Were seed 0 held against seed 1, the differences would not be all alike."""
    for seed, count in enumerate((10, 50, 90)):
        run(tmp_path / "old", {TESTS[0]: count}, seed=seed, run=f"a-{seed}", kind="3")
        run(tmp_path / "new", {TESTS[0]: count - 4}, seed=seed, run=f"b-{2 - seed}", kind="4")
    line = compared(read_side(tmp_path / "old"), read_side(tmp_path / "new")).lines.iloc[0]
    assert line["difference"] == pytest.approx(0.02)
    assert line["high"] - line["low"] < 0.06, "the seeds' spread of 20 points cancels"


def test_what_is_set_otherwise_throughout_is_named_and_not_asked_for(tmp_path: Path) -> None:
    for side, technique, dropout in (("old", "constant", 0.5), ("new", "transfer", 0.5)):
        for name in ("noise", "blur"):
            options = {"train_perturbation": name, "train_level": 1.0, "kind": f"{technique}-{name}"}
            settings = {"technique": {"stage": technique}, "model": {"dropout": dropout}, "optimizer": {"lr": side}}
            run(tmp_path / side, of_all(1, 2, 3, 4), technique=technique, settings=settings, run=name, **options)
    matching = compared(read_side(tmp_path / "old"), read_side(tmp_path / "new")).matching
    titles = ["constant blur 1 → transfer blur 1", "constant noise 1 → transfer noise 1"]
    assert sorted(pair.title for pair in matching.pairs) == titles
    assert matching.changed == {"technique": ("constant", "transfer"), "optimizer.lr": ("old", "new")}
    assert (matching.gone, matching.new) == ([], [])


def test_settings_tell_kinds_of_one_name_apart(tmp_path: Path) -> None:
    for side, count in (("old", 20), ("new", 10)):
        for rate in (0.1, 0.01):
            settings = {"optimizer": {"lr": rate, "momentum": 0.9 if side == "old" else 0.8}}
            kind = f"{side}{rate}"
            run(tmp_path / side, {TESTS[0]: count + int(100 * rate)}, run=kind, kind=kind, settings=settings)
    found = compared(read_side(tmp_path / "old"), read_side(tmp_path / "new"))
    assert found.lines["difference"].tolist() == pytest.approx([0.05, 0.05])
    assert found.matching.changed == {"optimizer.momentum": ("0.9", "0.8")}


def test_what_has_no_partner_is_listed_and_not_compared(tmp_path: Path) -> None:
    for seed in range(3):
        run(tmp_path / "old", of_all(10, 40, 60, 30), seed=seed)
    run(tmp_path / "old", of_all(1, 2, 3, 4), technique="harden")
    run(tmp_path / "new", {TESTS[0]: 5, ("fog", 1.0): 9}, seed=0)
    found = compared(read_side(tmp_path / "old"), read_side(tmp_path / "new"))
    assert found.lines[["scope", "test_perturbation", "seeds"]].to_numpy().tolist() == [[CONDITION, "natural", 1]]
    assert list(found.matching.gone) == ["natural (seeds 1, 2)", "harden (seed 0)"]
    assert any("first side alone: noise 0.05, noise 0.1, blur 1" in one for one in found.apart)
    assert any("second side alone: fog 1" in one for one in found.apart)
    said = " ".join(comparison_lines(found))
    assert "harden (seed 0)" in said
    assert "fog 1" in said


def test_other_trials_and_other_images_are_not_compared(tmp_path: Path) -> None:
    run(tmp_path / "old", of_all(10, 40, 60, 30))
    run(tmp_path / "trials", of_all(10, 40, 60, 30), evaluation_seed=7)
    run(tmp_path / "fewer", of_all(10, 40, 60, 30), labels=LABELS[:100])
    run(tmp_path / "others", of_all(10, 40, 60, 30), labels=(LABELS + 1) % 10)
    for name in ("trials", "fewer"):
        with pytest.raises(ValueError, match=r"must share some tests: .* in other trials, or on other images"):
            compared(read_side(tmp_path / "old"), read_side(tmp_path / name))
    with pytest.raises(ValueError, match="the same images; their labels are others"):
        compared(read_side(tmp_path / "old"), read_side(tmp_path / "others"))


def test_sides_of_other_data_or_without_a_common_run_are_refused_with_what_each_has(tmp_path: Path) -> None:
    run(tmp_path / "old", of_all(10, 40, 60, 30))
    run(tmp_path / "mnist", of_all(10, 40, 60, 30), data="mnist")
    run(tmp_path / "seed", of_all(10, 40, 60, 30), seed=1)
    with pytest.raises(ValueError, match="the same data; they are of digits and of mnist"):
        compared(read_side(tmp_path / "old"), read_side(tmp_path / "mnist"))
    with pytest.raises(ValueError, match=r"old has natural \(seed 0\); .*seed has natural \(seed 1\)"):
        compared(read_side(tmp_path / "old"), read_side(tmp_path / "seed"))


def test_a_side_is_runs_a_run_a_report_its_page_or_a_table(sides: tuple[Path, Path], tmp_path: Path) -> None:
    old = read_side(sides[0])
    (tmp_path / "report").mkdir()
    table = tmp_path / "report" / "rows.parquet"
    old.rows.to_parquet(table)
    (tmp_path / "report" / "index.html").touch()
    for place in (table, table.parent, table.with_name("index.html")):
        again = read_side(place)
        pd.testing.assert_frame_equal(again.rows, old.rows)
        assert not again.folders
        assert compared(again, read_side(sides[1])).lines["difference"].iloc[0] == pytest.approx(0.01)
    assert read_side(sides[0] / "natural-1").rows["seed"].unique().tolist() == [1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "it is not there"),
        ("empty", "there is no rows.parquet in it, nor finished runs"),
        ("text.csv", "it is another file"),
        ("broken.parquet", "cannot be read as Parquet"),
        ("other.parquet", "must be a table of rows, with a column each; got none of run, data"),
        ("wrong.parquet", "an `accuracy` from 0 to 1; got 7"),
    ],
)
def test_what_is_no_side_is_refused(name: str, message: str, sides: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.csv").write_text("a,b\n")
    (tmp_path / "broken.parquet").write_text("a,b\n")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    read_side(sides[0]).rows.assign(accuracy=7.0).to_parquet(tmp_path / "wrong.parquet")
    with pytest.raises((ValueError, OSError), match=message):
        read_side(tmp_path / name)


def test_the_page_holds_every_difference_and_its_numbers(sides: tuple[Path, Path], tmp_path: Path) -> None:
    found = compared(*map(read_side, sides))
    page = write_comparison(found, tmp_path / "out")
    text = page.read_text()
    for shown in ("95.0 → 96.0", "+7.5", "noise, all levels", "+1.0", "3 runs of 1 kind"):
        assert shown in text
    assert not [one for one in text.split('"') if one.startswith("http") and "www.w3.org" not in one]
    numbers = pd.read_csv(page.parent / "tables" / "conditions.csv")
    assert numbers["difference"].tolist() == pytest.approx([0.01, 0.05, 0.1, 0.0])
    assert write_comparison(found, tmp_path / "again").read_bytes() == page.read_bytes()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="was not written by robust"):
        write_comparison(found, tmp_path / "mine")


def test_where_nothing_changed_there_is_no_table(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(read_side(sides[0]), read_side(sides[0]))
    print_comparison(found)
    assert capsys.readouterr().out == ""
    assert "12, of them equal to the last digit: 12. Nothing changed of natural." in " ".join(comparison_lines(found))
    assert next(one.title for one in comparison_sections(found) if one.tables) == "What was compared"


def test_the_command_prints_it(
    sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["robust", "compare", *map(str, arguments)])
        main()

    call(*sides, "--out", tmp_path / "out")
    said = capsys.readouterr().out
    assert "noise, all levels" in said
    assert "75.0 → 82.5" in said
    assert said.rstrip().endswith("out/index.html")
    with pytest.raises(SystemExit) as stop:
        call(sides[0], "nowhere")
    assert stop.value.code == 2
    assert "nowhere must be a run's folder" in capsys.readouterr().err
