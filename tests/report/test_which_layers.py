"""Which layers to train: what was measured, what was won, and pictures of where a network looks."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.report.which_layers import gains, layer_table, recommendation, which_layers
from robust.runs import RunFolder, State

LAYERS = ["features.0", "features.5", "features.10", "head"]
NETWORK = ["model.units=[8,8,8]", "model.kernel_size=3", "model.padding=1", "model.stride=1"]
SETTINGS = ["trainer.max_epochs=2", "parent.trainer.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu"]
TESTS = ["evaluation=world", "evaluation.trials=1"]


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


def test_what_training_a_layer_won_stands_beside_how_far_it_is_moved(folders: list[Path]) -> None:
    (section,), natural = which_layers(folders, images=60)
    assert natural == folders[:1]
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


def test_what_cannot_be_looked_at_is_refused(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no natural run among these"):
        which_layers(folders[1:])
    alone = prepare([f"runs_dir={tmp_path}", *SETTINGS, "technique=natural", "evaluation=natural"])
    execute(alone)
    with pytest.raises(ValueError, match=r"tested on natural images alone\. Test it under .*evaluation=world"):
        which_layers([alone.folder])
    with pytest.raises(ValueError, match=r"`images` must be at least 1; got 0"):
        which_layers(folders, images=0)


def test_networks_of_several_kinds_each_have_their_section(folders: list[Path], tmp_path: Path) -> None:
    other = prepare([f"runs_dir={tmp_path}", *SETTINGS, *TESTS, *NETWORK[1:], "technique=natural"])
    execute(other)
    sections, natural = which_layers([*folders, other.folder], images=20)
    assert natural == [folders[0], other.folder]
    assert [section.title.startswith("Which layers? digits convnet_") for section in sections] == [True, True]
    assert not set(sections[0].drawings) & set(sections[1].drawings)
    won = [next(iter(section.tables.values())).numbers["won"].notna().any() for section in sections]
    assert won == [True, False], "hardened layers belong to the network that they started from"


def test_a_later_test_of_other_images_changes_nothing(folders: list[Path], tmp_path: Path) -> None:
    settings = [f"runs_dir={tmp_path}", *SETTINGS, *NETWORK, "technique=natural"]
    for tests in (["evaluation=world", "evaluation.trials=1"], ["evaluation=impact", "evaluation.trials=1"]):
        run = prepare([*settings, *tests])
        execute(run)
    (section,), _ = which_layers([run.folder], images=20)
    assert {"world", "noise", "hot"} <= set(section.tables["layers"].numbers["test_perturbation"])


def test_a_layer_that_was_trained_otherwise_says_nothing_of_hardening(folders: list[Path]) -> None:
    rows = {folder: RunFolder(folder).read_rows() for folder in folders}
    plain = gains(folders[:1], rows)
    turned = rows[folders[1]].assign(technique="transfer_frozen")
    assert LAYERS[0] in set(plain["layer"])
    assert LAYERS[0] not in set(gains(folders[:1], {**rows, folders[1]: turned})["layer"])
    fewer = rows[folders[0]][rows[folders[0]]["trial"] == 0].assign(trial=1)
    assert gains(folders[:1], {**rows, folders[0]: fewer}).empty, "no trial is shared"


def test_the_command_writes_a_page(command: Callable[..., object], folders: list[Path], tmp_path: Path) -> None:
    done = command("-m", "robust", "layers", *map(str, folders), "--images", "20", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "Which layers: Recommended is the layer whose output a perturbation moves furthest, over all"
    )
    assert "Which layers?" in (tmp_path / "out" / "index.html").read_text()
    assert (tmp_path / "out" / "figures" / "maps.png").is_file()
