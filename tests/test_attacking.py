"""`robust attack`: trained models are attacked, nothing is trained again, nothing attacked twice."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robust.attack import AttackPlan
from robust.errors import FailedError
from robust.experiment.attack import attack_runs
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.page import write_report
from robust.report.attacks import attacks_table
from robust.runs import RunFolder, State

SETTINGS = ["evaluation=natural", "trainer.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu"]
FGSM = ["attack=fgsm", "attack.eps=16/255", "attack.images=5"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Natural digits networks of two seeds and one that learnt noise."""
    root = tmp_path_factory.mktemp("runs")
    for overrides in (["technique=natural"], ["technique=natural", "seed=1"], ["perturb=noise"]):
        status = execute(prepare([f"runs_dir={root}", *SETTINGS, *overrides]))
        assert status.state is State.DONE, status.reason
    return root


def attacks_of(runs: Path) -> dict[str, pd.DataFrame]:
    return {folder.name: table for folder in runs.iterdir() if (table := RunFolder(folder).read_attacks()) is not None}


def test_runs_are_attacked_once_and_stand_in_one_table(runs: Path, command: Callable[..., object]) -> None:
    trained = {path: path.stat().st_mtime_ns for path in runs.rglob("model.ckpt")}
    done = command("-m", "robust", "attack", f"run={runs}", *FGSM, "trainer.threads=1")
    assert done.returncode == 0, done.stderr
    assert "fgsm eps=16/255" in done.stdout
    commands = [json.loads(file.read_text())["sessions"][-1]["command"] for file in runs.rglob("status.json")]
    assert all(one.startswith("robust attack run=") for one in commands)
    assert all(path.stat().st_mtime_ns == time for path, time in trained.items())
    first = attacks_of(runs)
    assert {name: len(table) for name, table in first.items()} == dict.fromkeys(first, 50)
    written = {path: path.stat().st_mtime_ns for path in runs.rglob("attacks.parquet")}
    attack_runs([str(runs)], FGSM)
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("attacks.parquet")} == written

    table = attacks_table(sorted(runs.iterdir()))
    natural = table[table["technique"] == "natural"].iloc[0]
    assert natural["seeds"] == 2
    each = [one for name, one in first.items() if "natural" in name]
    robust = [((one["before"] == one["label"]) & ~one["success"]).mean() for one in each]
    assert natural["robust"] == pytest.approx(sum(robust) / 2)
    assert natural["robust"] < natural["natural"]
    page = write_report(sorted(runs.iterdir())).read_text()
    assert "robust accuracy, %" in page


def test_an_attack_leaves_tests_and_starts_as_they_are(tmp_path: Path) -> None:
    """Of runs whose recipes and levels are not those of the file, and which start from others."""
    short = [f"recipe.{name}.max_epochs=1" for name in ("scratch", "retrain", "pretrain", "finetune")]
    common = [f"runs_dir={tmp_path}", *short, "trainer.threads=1", "trainer.accelerator=cpu", "evaluation.trials=1"]
    few = [
        "evaluation=camera",
        "evaluation.families=[pixel]",
        "evaluation.conditions.hot=[2]",
        "evaluation.conditions.stuck=[2]",
    ]
    for settings in (["technique=finetune"], ["technique=retrain"]):
        status = execute(prepare([*common, *few, *settings]))
        assert status.state is State.DONE, status.reason
    before = {path: path.read_bytes() for path in tmp_path.rglob("rows.csv")}
    assert len(before) == 4
    attack_runs([str(path.parent) for path in before if "digits_rotation" not in str(path)], FGSM)
    assert {path: path.read_bytes() for path in tmp_path.rglob("rows.csv")} == before
    assert len(attacks_of(tmp_path)) == 3


def test_an_image_withstands_only_if_no_target_is_reached(runs: Path) -> None:
    folder = sorted(runs.iterdir())[0]
    attack_runs([str(folder)], ["attack=gradient_sign", "attack.images=2", "attack.max_steps=5", "attack.step=0.02"])
    table = attacks_table([folder])
    line = table[table["targeted"]].iloc[0]
    attacks = RunFolder(folder).read_attacks()
    assert attacks is not None
    mine = attacks[attacks["attack"] == "gradient_sign"]
    assert len(mine) == 2 * 10 * 9
    held = (~mine["success"] & (mine["before"] == mine["label"])).groupby(mine["image"]).all()
    assert line["robust"] == pytest.approx(held.mean())
    assert line["images"] == 20


def test_several_attacks_are_one_choice(runs: Path) -> None:
    folder = sorted(runs.iterdir())[0]
    quick = ["several.fgsm.images=2", "several.pgd.images=2", "several.pgd.steps=3", "several.one_pixel.images=1"]
    quick += ["several.one_pixel.population=8", "several.one_pixel.generations=2"]
    quick += [f"several.{name}.images=2" for name in ("worst_of", "universal", "patch")]
    quick += [f"several.{name}.training=2" for name in ("universal", "patch")]
    attack_runs([str(folder)], ["attack=table", *(f"attack.{one}" for one in quick)])
    attacks = RunFolder(folder).read_attacks()
    assert attacks is not None
    assert {"fgsm", "pgd", "one_pixel", "worst_of", "universal", "patch"} <= set(attacks["attack"])
    assert json.loads(attacks.loc[attacks["attack"] == "worst_of", "settings"].iloc[0])["perturbation"]["level"] == 1
    before = len(attacks)
    other = ["attack=worst_of", "attack.images=2", "perturb@attack.perturbation=noise", "attack.perturbation.level=0.1"]
    attack_runs([str(folder)], other)
    again = RunFolder(folder).read_attacks()
    assert again is not None
    assert len(again) == before + 20, "through another perturbation it is another attack"
    assert (attacks.loc[attacks["attack"] == "one_pixel", "l0"] <= 1).all()


def test_a_run_on_a_folder_of_images_can_be_attacked_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "test"):
        for value, name in enumerate("ab"):
            (tmp_path / "mine" / part / name).mkdir(parents=True)
            for number in range(8):
                picture = np.full((32, 32, 3), 80 * value + number, np.uint8)
                Image.fromarray(picture).save(tmp_path / "mine" / part / name / f"{number}.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    mine = ["data=folder", "data.path=mine", "data.size=32", "technique=natural", "data.batch_size=4", "data.dir=cache"]
    run = prepare([*SETTINGS, *mine, "runs_dir=runs"])
    assert execute(run).state is State.DONE
    folder = run.folder
    monkeypatch.chdir(tmp_path / "elsewhere")
    attack_runs([str(folder)], ["attack=fgsm", "attack.images=2"])
    attacks = RunFolder(folder).read_attacks()
    assert attacks is not None
    assert len(attacks) == 4
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_attack_that_fails_leaves_the_run_as_it_was(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sorted(runs.iterdir())[0]
    before = (folder / "status.json").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the machine is on fire")

    monkeypatch.setattr(AttackPlan, "attack", fail)
    with pytest.raises(FailedError, match=r"could not be attacked: .*the machine is on fire"):
        attack_runs([str(folder)], ["attack=fgsm", "attack.eps=0.07", "attack.images=1"])
    assert (folder / "status.json").read_bytes() == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what foolbox imports
def test_what_an_attack_needs_is_said_before_it_begins(runs: Path) -> None:
    pytest.importorskip("foolbox", reason="foolbox is not installed")
    with pytest.raises(ValueError, match=r"`attack.method=GenAttack` cannot be made .*unsupported criterion"):
        attack_runs([str(runs)], ["attack=foolbox", "attack.method=GenAttack", "attack.images=1"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["attack=none"], "`attack` must name an attack; got none"),
        (["attack=pgd", "attack.eps=8"], "`attack.eps` must be from 0 to 1"),
        (["attack=pgd", "attack.eps=abc"], "`attack.eps` must be a number or a fraction such as 8/255; got abc"),
        (["attack=foolbox", "attack.eps=8"], "`attack.eps` must be from 0 to 1"),
        (["attack=fgsm", "+perturb@attack.perturbation=noise"], "`attack.perturbation` must be left out with"),
        (["attack=fgsm", "trainer.thread=1"], "`trainer.thread` must be a setting that the run has"),
        (["attack=fgsm", "seed=7"], "`seed` must be a setting that the run has, and that does not make it another"),
    ],
)
def test_wrong_words_are_explained_before_any_attack(runs: Path, settings: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attack_runs([str(runs)], settings)
