"""The table of attacks: what it holds side by side, and under what."""

from pathlib import Path

import pandas as pd
import pytest

from robust.report.attacks import attacks_section, attacks_table, print_attacks
from robust.runs import RunFolder
from robust.runs.tables import COLUMNS

ACCURACY = {"natural": 0.9, "noise": 0.6, "blur": 0.3}


def attacked_run(
    root: Path, technique: str, *, tests: list[str], seed: int = 0, kind: str = "", faults: tuple[str, str] = ("", "")
) -> Path:
    """A run of two images that were attacked by FGSM, the first with success."""
    folder = root / f"{technique}{kind}-{seed}"
    folder.mkdir()
    about = {"run": folder.name, "data": "digits", "model": "convnet", "technique": technique, "seed": seed}
    about |= {"train_perturbation": "none", "train_level": 0.0, "kind": f"{technique}{kind}", "reference": "natural-0"}
    rows = pd.DataFrame([{**about, "test_perturbation": name, "accuracy": ACCURACY[name]} for name in tests])
    rows.reindex(columns=COLUMNS).assign(test_level=1.0, trial=0, n=2, evaluation_seed=0).to_csv(folder / "rows.csv")
    attacks = {"attack": "fgsm", "settings": '{"eps": 0.1}', "image": [0, 1], "label": 3, "before": 3, "target": -1}
    found = {"after": [5, 3], "success": [True, False], "threshold": float("nan"), "original": b"", "adversarial": b""}
    effort = {"distortion": 0.1, "linf": 0.1, "steps": 1, "queries": 2}
    RunFolder(folder).add_attacks(pd.DataFrame({**attacks, **found, **effort, "fault": faults}))
    return folder


def test_perturbed_is_what_all_were_tested_under(tmp_path: Path) -> None:
    folders = [
        attacked_run(tmp_path, "natural", tests=["natural", "noise", "blur"]),
        attacked_run(tmp_path, "constant", tests=["natural", "blur"]),
    ]
    assert attacks_table(folders)["perturbed"].tolist() == pytest.approx([0.3, 0.3])
    assert attacks_table(folders[:1])["perturbed"].tolist() == pytest.approx([0.45])
    folders.append(attacked_run(tmp_path, "transfer", tests=["natural"]))
    assert attacks_table(folders)["perturbed"].isna().all()


def test_what_fills_an_empty_cell_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_attacks([attacked_run(tmp_path, "natural", tests=["natural"])])
    said = " ".join(capsys.readouterr().out.split())
    assert "evaluation=camera" in said
    assert "robust accuracy: recognised before the attack and after it" in said


def test_perturbed_is_a_mean_over_conditions_however_many_trials_each_had(tmp_path: Path) -> None:
    folder = attacked_run(tmp_path, "natural", tests=["natural", "noise", "blur"])
    rows = pd.read_csv(folder / "rows.csv", index_col=0, keep_default_na=False)
    again = rows[rows["test_perturbation"] == "noise"]
    pd.concat([rows, *(again.assign(trial=trial) for trial in range(1, 5))]).to_csv(folder / "rows.csv")
    assert attacks_table([folder])["perturbed"].item() == pytest.approx(0.45)


def test_what_was_no_result_is_counted_where_there_is_any(tmp_path: Path) -> None:
    sound = attacked_run(tmp_path, "natural", tests=["natural"])
    assert "no result" not in attacks_section([sound]).tables["attacks"].shown
    faulty = attacked_run(tmp_path, "constant", tests=["natural"], faults=("", "not finite"))
    section = attacks_section([sound, faulty])
    assert section.tables["attacks"].shown["no result"].tolist() == [0, 1]
    assert "No result: " in section.tables["attacks"].note


def test_settings_of_one_technique_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [
        attacked_run(tmp_path, "trades", tests=["natural"], kind=kind, seed=seed)
        for kind in ("-beta-1", "-beta-6")
        for seed in (0, 1)
    ]
    table = attacks_table(folders)
    assert table["trained"].tolist() == ["trades (trades-beta-1)", "trades (trades-beta-6)"]
    assert table["robust"].tolist() == [0.5, 0.5]
    print_attacks(folders)
    title, *lines = capsys.readouterr().out.strip().splitlines()
    assert " ".join(title.split()) == "attacks; model: convnet; toward: any other class; seeds: 2; images: 2"
    assert "convnet" not in " ".join(lines)
    assert "to 50.0" not in " ".join(lines), "seeds that agree have no interval"
