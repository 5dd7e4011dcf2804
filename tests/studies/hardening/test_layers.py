"""Which layers to train: what was measured, what was won, and pictures of where a network looks."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from robust.errors import Notice
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.report import Section
from robust.runs import RunFolder, State, collect
from robust.studies import hardening
from robust.studies.hardening import layers
from robust.studies.hardening.layers import gains, layer_sections, layer_table, layers_alone, recommendation

LAYERS = ["features.0", "features.5", "features.10", "head"]
NETWORK = ["model.units=[8,8,8]", "model.kernel_size=3", "model.padding=1", "model.stride=1"]
SETTINGS = ["trainer.max_epochs=2", "parent.trainer.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu"]
TESTS = ["evaluation=environment", "evaluation.trials=1", "data.source.size=14"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A natural network, and the same with each layer hardened against rotation alone."""
    root = tmp_path_factory.mktemp("layers")
    hardened = [["technique=harden", "perturb=rotate", f"technique.trainable=[{layer}.*]"] for layer in LAYERS]
    found = []
    for overrides in (["technique=natural"], *hardened):
        run = prepare([f"runs_dir={root}", *SETTINGS, *NETWORK, *TESTS, *overrides])
        status = execute(run)
        assert status.state is State.DONE, status.reason
        found.append(run.folder)
    return found


@pytest.fixture(autouse=True)
def few_images() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "_IMAGES", 30)
        yield


def of_layers(folders: list[Path]) -> list[Section]:
    """What the ordinary page says of layers."""
    sections = hardening.findings(folders, collect(folders)).sections
    return [section for section in sections if section.title.startswith("Which layers?")]


def test_what_training_a_layer_won_stands_beside_how_far_it_is_moved(folders: list[Path]) -> None:
    (section,) = of_layers(folders)
    table = section.tables["layers"].numbers
    assert table.groupby("test_perturbation").size().eq(len(table["layer"].unique())).all()
    assert set(LAYERS) <= set(table["layer"])
    assert (table["moved"] > 0).all()
    rotated = table[table["test_perturbation"] == "rotate"].set_index("layer")

    def under_rotation(folder: Path) -> float:
        rows = RunFolder(folder).read_rows()
        return rows.loc[rows["test_perturbation"] == "rotate", "accuracy"].mean()

    for layer, folder in zip(LAYERS, folders[1:], strict=True):
        assert rotated.loc[layer, "won"] == pytest.approx(under_rotation(folder) - under_rotation(folders[0]))
    assert table.loc[table["test_perturbation"] != "rotate", "won"].isna().all()
    assert "rank correlation" in section.text
    assert {"layers", "maps"} == set(section.drawings)


def made_up(won: list[float]) -> pd.DataFrame:
    moved = pd.DataFrame(
        {
            "test_perturbation": "shift",
            "test_level": 0.4,
            "layer": ["a", "b", "c", "d"],
            "place": range(4),
            "moved": [0.4, 0.3, 0.2, 0.1],
            "moved_overall": [0.1, 0.4, 0.2, 0.3],
        }
    )
    tried = moved[["test_perturbation", "test_level", "layer"]].assign(won=won)
    return layer_table(moved, tried)


def test_the_layer_that_moves_furthest_is_recommended_and_the_choice_is_judged() -> None:
    table = made_up([0.01, 0.04, 0.02, 0.03])
    assert table.set_index("layer")["rank"].to_dict() == {"a": 4, "b": 1, "c": 3, "d": 2}
    text = recommendation(table)
    assert "b against shift 0.4." in text
    assert "is +1.00 on average over 1 perturbations (Spearman; shift 0.4: +1.00 over 4 layers); of how far" in text
    assert text.endswith("place by place, -0.40.")
    assert "is -1.00 on average" in recommendation(made_up([0.04, 0.01, 0.03, 0.02]))
    assert "correlation" not in recommendation(made_up([float("nan")] * 4)), "nobody tried"


def test_runs_that_harden_no_two_layers_alone_say_nothing_of_layers(folders: list[Path]) -> None:
    assert of_layers(folders[1:]) == [], "no natural network"
    assert of_layers(folders[:2]) == [], "one layer"


def test_what_cannot_be_measured_any_more_is_left_out_and_said(folders: list[Path], tmp_path: Path) -> None:
    moved = [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in folders]
    RunFolder(moved[0]).model.unlink()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", Notice)
        assert of_layers(moved) == []
    assert any("Which layers to harden is left out of the report: " in str(one.message) for one in said)


def test_networks_of_several_kinds_each_have_their_section(folders: list[Path], tmp_path: Path) -> None:
    other = [f"runs_dir={tmp_path}", *SETTINGS, *TESTS, *NETWORK[1:]]
    other += ["trainer.max_epochs=1", "parent.trainer.max_epochs=1"]
    harden = ["technique=harden", "perturb=rotate"]
    others = [
        ["technique=natural"],
        *([*harden, f"technique.trainable=[{layer}.*]"] for layer in ("features.0", "head")),
    ]
    runs = [prepare([*other, *one]) for one in others]
    assert [execute(run).state for run in runs] == 3 * [State.DONE]
    sections = of_layers([*folders, *(run.folder for run in runs)])
    assert [section.title.startswith("Which layers? digits convnet_") for section in sections] == [True, True]
    assert not set(sections[0].drawings) & set(sections[1].drawings)


def test_a_layer_that_was_trained_otherwise_says_nothing_of_hardening(folders: list[Path]) -> None:
    rows = collect(folders)
    first = rows["run"] == folders[1].name
    assert set(layers_alone(folders, rows).values()) == set(LAYERS)
    other = rows.assign(technique=rows["technique"].mask(first, "transfer_frozen"))
    assert set(layers_alone(folders, other).values()) == set(LAYERS[1:])
    natural = rows["run"] == folders[0].name
    fewer = rows[~natural | (rows["trial"] == 0)]
    fewer = fewer.assign(trial=fewer["trial"].mask(natural, 1))
    assert gains(fewer, layers_alone(folders, rows)).empty, "no trial is shared"
    until = {"until": "narrow", "until_low": 0.9, "until_high": 1.0, "until_images": rows["n"], "until_trials": 2.0}
    early = rows.assign(accuracy=1.0, **until)[~natural]  # each stands for two trials, the natural ones' too
    first, second = rows[natural], rows[natural].assign(trial=1, accuracy=0.0)
    won = gains(pd.concat([early, first, second], ignore_index=True), layers_alone(folders, rows))["won"]
    before = first.loc[first["test_perturbation"] == "rotate", "accuracy"].mean()
    assert won.tolist() == pytest.approx([1 - before / 2] * len(LAYERS))


def test_no_configuration_is_read_where_nothing_was_hardened(folders: list[Path], tmp_path: Path) -> None:
    missing = tmp_path / folders[0].name  # the page of many runs is not to wait for it
    assert layer_sections([missing], collect(folders[:1])) == []
