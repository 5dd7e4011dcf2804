"""Accuracy over a camera's settings on the page: simulated at one brightness, and photographed."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from robust.measure import CALIBRATION
from robust.runs import collect
from robust.runs.tables import COLUMNS
from robust.studies.camera.photographs import photograph_lines, photographs_section
from robust.studies.camera.triangle import best_settings, triangle_lines, triangle_section

ISOS, F_NUMBERS = (100, 800, 6400), (1.4, 2.8, 5.6)


def run(place: Path, best: tuple[int, float], *, technique: str = "natural", seed: int = 0, kept: bool = True) -> Path:
    """A run that is the better, the nearer ISO and f-number are to these."""
    folder = place / f"{technique}-{seed}"
    folder.mkdir(parents=True)
    about = {"run": folder.name, "data": "digits", "model": "convnet_mnist", "technique": technique, "seed": seed}
    about |= {"train_perturbation": "none", "train_level": 0.0, "kind": technique, "n": 100, "exposure": ""}
    about |= {"reference": f"natural-{seed}", "trial": 0, "evaluation_seed": 0, **dict.fromkeys(CALIBRATION, 0.1)}
    rows = [
        {"test_perturbation": f"triangle@phone_9 1000 lux f/{one:g}", "test_level": float(iso)}
        | {"accuracy": 0.9 - 0.1 * abs(math.log2(iso / best[0])) - 0.1 * abs(math.log2(one / best[1])) + 0.01 * seed}
        for iso in ISOS
        for one in F_NUMBERS
    ]
    rows.append({"test_perturbation": "natural", "test_level": 0.0, "accuracy": 0.95})
    pd.DataFrame(rows if kept else rows[-1:]).assign(**about)[COLUMNS].to_csv(folder / "rows.csv", index=False)
    (folder / "status.json").write_text(json.dumps({"state": "done", "reason": ""}))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    both = [
        [run(tmp_path, (800, 2.8), seed=seed), run(tmp_path, (6400, 5.6), technique="harden", seed=seed)]
        for seed in range(3)
    ]
    return [folder for pair in both for folder in pair]


def test_each_training_has_its_best_iso_and_f_number_with_the_shutter_that_follows(folders: list[Path]) -> None:
    lines = triangle_lines(folders, collect(folders))
    assert len(lines) == 2 * 9
    best = best_settings(lines).set_index("title")
    assert best[["iso", "f_number", "seeds"]].values.tolist() == [[800, 2.8, 3], [6400, 5.6, 3]]
    light = 0.65 * 1000 * 0.18 / math.pi
    assert best.loc["natural", "shutter"] == pytest.approx(10 * 2.8**2 / 800 / light)
    assert best.loc["natural", "setting"] == "ISO 800, f/2.8, 1/380 s"
    assert best["accuracy"].tolist() == pytest.approx([0.91, 0.91])
    assert best["at_natural"].tolist() == pytest.approx([0.91, 0.91 - 0.4])


def test_the_section_has_a_panel_for_each_training_and_a_number_in_each_cell(folders: list[Path]) -> None:
    section = triangle_section(folders, collect(folders))
    (drawing,) = section.drawings.values()
    panels = [axis for axis in drawing.figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in panels] == ["natural", "harden"]
    assert [one.get_text() for one in panels[0].texts][4] == "91\n1/380"
    assert section.tables["triangle"].shown["at the natural model's, %"].tolist() == ["91.0", "51.0"]


def test_nothing_is_said_of_runs_without_such_tests(tmp_path: Path) -> None:
    folder = run(tmp_path, (800, 2.8), kept=False)
    assert triangle_section([folder], collect([folder])).title == ""
    assert photographs_section([folder]).title == ""


def photographed(folder: Path, accuracies: dict[str, float]) -> Path:
    about = {"run": folder.name, "data": "tiny_imagenet", "model": "resnet18", "technique": folder.name, "seed": 0}
    about |= {"train_perturbation": "none", "train_level": 0.0, "kind": folder.name, "reference": folder.name}
    about |= {"images": "x", "recreated": False, "classes": 200, "n": 1000, "low": 0.0, "high": 1.0, "exposure": ""}
    rows = [{"set": "es-test", "corruption": name, "severity": 0, "accuracy": one} for name, one in accuracies.items()]
    table = pd.DataFrame(rows).assign(**about, **dict.fromkeys(CALIBRATION, 0.1), label=None, predicted=None)
    folder.mkdir()
    table.to_parquet(folder / "published.parquet")
    return folder


def test_photographs_are_drawn_over_iso_and_shutter_by_f_number_and_light(tmp_path: Path) -> None:
    accuracies = {
        f"ISO {iso}, f/{one}, {shutter} s, light {light}": iso / 20_000 + one / 100 + (0.05 if light == "on" else 0)
        for iso in (250, 2000, 16_000)
        for one in (5, 9)
        for shutter in ("1/4", "1/1000")
        for light in ("on", "off")
    }
    folder = photographed(tmp_path / "natural", {**accuracies, "automatic 1, light on": 0.99, "": 0.5})
    lines = photograph_lines([folder])
    assert len(lines) == len(accuracies)
    assert {*lines["shutter"]} == {0.25, 0.001}
    section = photographs_section([folder])
    (drawing,) = section.drawings.values()
    titles = [axis.get_title() for axis in drawing.figure.axes if axis.get_title()]
    assert titles == ["light on, f/5", "light on, f/9", "light off, f/5", "light off, f/9"]
    table = section.tables["photographs"].shown.set_index("light")
    assert table["best, %"].to_dict() == {"light on": "94.0", "light off": "89.0"}
    assert table.loc["light on", "best at"] == "ISO 16000, f/9, 1/4 s"
