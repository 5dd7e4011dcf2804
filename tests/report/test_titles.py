"""Runs that differ can be told apart."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.report import print_results
from robust.report.scores import score_table
from robust.report.tables import summary_table
from robust.runs import collect, settings, with_settings

Make = Callable[..., pd.DataFrame]
CONFIG = """
seed: 0
task: {{stage: scratch}}
runs_dir: runs
data: {{name: digits, batch_size: 100}}
optimizer: {{_target_: torch.optim.{name}, lr: {lr}, momentum: null}}
trainer: {{max_epochs: {epochs}, threads: {threads}}}
recipe: {{scratch: {{max_epochs: 1}}}}
evaluation: {{trials: {threads}}}
"""


@pytest.fixture
def sweep(tmp_path: Path, rows_of: Make, suites_of: Make, write: Callable[..., Path]) -> Callable[..., list[Path]]:
    """Natural runs of these settings, of two seeds each."""

    def make(*given: dict[str, object]) -> list[Path]:
        return [
            write(
                tmp_path / f"run{place}-{seed}",
                rows_of(f"run{place}-{seed}", suites_of("noise"), kind=f"kind{place}", seed=seed),
                CONFIG.format(**{"name": "Adam", "lr": 0.01, "epochs": 1, "threads": place} | one),
            )
            for place, one in enumerate(given)
            for seed in range(2)
        ]

    return make


def titles(folders: list[Path]) -> list[str]:
    return list(summary_table(collect(folders), folders)["title"].unique())


def test_titles_name_the_settings_in_which_runs_differ(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({"lr": 0.0001}, {"lr": 0.001}, {"lr": 0.01})
    assert titles(folders) == ["natural lr=0.0001", "natural lr=0.001", "natural lr=0.01"]


def test_titles_name_several_settings_and_parts_by_what_they_are(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({"name": "SGD", "epochs": 2}, {"name": "SGD"}, {"epochs": 2})
    wanted = ["optimizer=SGD max_epochs=2", "optimizer=SGD max_epochs=1", "optimizer=Adam max_epochs=2"]
    assert titles(folders) == [f"natural {one}" for one in wanted]


def test_what_no_configuration_tells_apart_is_told_by_its_kind(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({}, {})
    assert titles(folders) == ["natural (kind0)", "natural (kind1)"]
    for folder in folders:
        (folder / "config.yaml").write_text("{: not YAML\0")
    assert titles(folders) == ["natural (kind0)", "natural (kind1)"]


def test_collected_rows_have_a_column_for_each_setting_that_differs(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({"lr": 0.1, "epochs": 5}, {"lr": 0.01, "epochs": 5})
    rows = with_settings(collect(folders), folders)
    assert rows.groupby("run")["optimizer.lr"].first().tolist() == ["0.1", "0.1", "0.01", "0.01"]
    assert [name for name in rows if "." in name] == ["optimizer.lr"]


def test_the_terminal_shows_a_line_for_each_setting(
    sweep: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = sweep({"lr": 0.1}, {"lr": 0.01})
    print_results(collect(folders), folders)
    lines = [line.split()[:3] for line in capsys.readouterr().out.splitlines() if line.strip().startswith("natural ")]
    assert lines[:2] == [["natural", "lr=0.1", "2"], ["natural", "lr=0.01", "2"]]


def test_a_training_other_than_its_recipe_s_is_named_where_titles_differ_anyway(
    sweep: Callable[..., list[Path]], rows_of: Make, suites_of: Make, write: Callable[..., Path], tmp_path: Path
) -> None:
    config = CONFIG.format(name="Adam", lr=0.01, epochs=2, threads=1)
    other = write(tmp_path / "other", rows_of("other", suites_of("noise"), technique="transfer"), config)
    assert titles([*sweep({}), other]) == ["natural", "transfer max_epochs=2"]
    assert titles([other]) == ["transfer"], "all are trained so"


def test_the_terminal_names_the_folders_of_runs_that_settings_tell_apart(
    sweep: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = sweep({"epochs": 2}, {"epochs": 40})
    print_results(collect(folders), folders)
    assert "natural max_epochs=40: run1-0" in capsys.readouterr().out.splitlines()


def test_a_configuration_that_grows_without_end_is_passed_over(tmp_path: Path) -> None:
    laughs = "\n".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 60))
    (tmp_path / "config.yaml").write_text("a0: &a0 {x: 1}\n" + laughs)
    begun = time.monotonic()
    assert settings.read_settings(tmp_path) == {}
    assert time.monotonic() - begun < 1


def test_what_commands_set_stands_with_the_results(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({"lr": 0.1}, {"lr": 0.01})
    for folder, lr in zip(folders, ("0.1", "0.1", "0.01", "0.01"), strict=True):
        record = {"state": "done", "settings": ["lr_scheduler=cosine", f"optimizer.lr={lr}", "label_smoothing=0.1"]}
        (folder / "status.json").write_text(json.dumps(record))
    found = score_table(summary_table(collect(folders), folders), collect(folders), folders)
    assert "Set for all: lr_scheduler=cosine label_smoothing=0.1." in found.note
    assert found.settings == ["", ""], "titles say the rest"
    for folder in folders[:2]:
        (folder / "status.json").write_text(json.dumps({"state": "done", "settings": ["trainer.ema=0.9"]}))
    wanted = ["natural ema=0.9", "natural lr_scheduler=cosine lr=0.01 label_smoothing=0.1"]
    assert titles(folders) == wanted, "what each command gave says more than all that came of it"
    for folder, lr in zip(folders, ("0.1", "0.1", "0.01", "0.01"), strict=True):
        record = {"state": "done", "settings": [f"optimizer.lr={lr}", *["trainer.ema=0.9"] * (lr == "0.1")]}
        (folder / "status.json").write_text(json.dumps(record))
    assert titles(folders) == ["natural lr=0.1 ema=0.9", "natural lr=0.01"]


def test_what_most_trainings_have_beside_their_recipes_is_not_said(sweep: Callable[..., list[Path]]) -> None:
    folders = sweep({"epochs": 2}, {"epochs": 2, "name": "SGD"}, {"epochs": 2, "lr": 0.1}, {"epochs": 3, "lr": 0.2})
    each = [given for given in ("lr=0.01", "name=SGD", "lr=0.1", "lr=0.2") for _ in range(2)]
    for folder, given in zip(folders, each, strict=True):
        (folder / "status.json").write_text(json.dumps({"state": "done", "settings": [f"optimizer.{given}"]}))
    wanted = ["natural lr=0.01", "natural optimizer=SGD", "natural lr=0.1", "natural lr=0.2 max_epochs=3"]
    assert titles(folders) == wanted


def test_the_epoch_whose_weights_were_kept_is_said(sweep: Callable[..., list[Path]]) -> None:
    folder, other = sweep({})
    accuracies = pd.DataFrame({"epoch": range(4), "val_accuracy": [0.1, 0.2, 0.9, 0.1]})
    for one in (folder, other):
        accuracies.assign(val_perturbed_accuracy=[0.1, 0.5, 0.2, 0.5]).to_csv(one / "metrics.csv", index=False)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("threads: 0}", "threads: 0, keep: best}", 1))
    rows = collect([folder])
    assert "Kept: the weights after 2 of 4 epochs." in score_table(summary_table(rows), rows, [folder]).note
    assert settings.kept_epoch(other) == ""
