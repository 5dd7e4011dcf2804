"""The atlas: from attacks on real runs to figures, tables and claims."""

from pathlib import Path

import numpy as np
import pytest

from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.report import sections
from robust.runs import RunFolder, State, collect
from robust.studies.atlas.report import atlas_claims, atlas_sections, read_atlases


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three natural networks of the digits, two images of each class led to every other in three steps."""
    folder, found = tmp_path_factory.mktemp("runs"), []
    settings = ["technique=natural", "evaluation=natural", "trainer.max_epochs=2"]
    attack = ["attack=atlas", "attack.images=2", "attack.max_steps=3"]
    for seed in range(3):
        run = prepare([*settings, *attack, f"seed={seed}", f"runs_dir={folder}", "trainer.threads=1"])
        status = execute(run)
        assert status.state is State.DONE, status.reason
        found.append(run.folder)
    return found


def test_an_atlas_is_of_all_seeds_and_its_figures_are_those_of_the_attacks(runs: list[Path]) -> None:
    (atlas,) = read_atlases(runs)
    assert len(atlas.matrices) == 3
    assert atlas.images == 20
    attacks = RunFolder(runs[0]).read_attacks()
    assert attacks is not None
    some = attacks[(attacks["label"] == 3) & (attacks["target"] == 8) & (attacks["before"] == 3)]
    assert atlas.matrices[0][3, 8] == pytest.approx(some["success"].mean(), nan_ok=True)
    (section,) = atlas_sections(read_atlases(runs))
    table = section.tables["atlas"].numbers
    np.testing.assert_allclose(table["modification"], np.nanmean(atlas.matrix, axis=1))
    assert "Hardest to modify" in section.text
    assert set(section.drawings) == {"atlas", "atlas-rates", "atlas-gallery", "atlas-looks"}
    assert len(section.drawings["atlas"].numbers) == 90


def test_claims_rest_on_three_seeds(runs: list[Path]) -> None:
    claims = atlas_claims(read_atlases(runs))
    assert {f"atlas-digits-convnet_mnist-{name}" for name in ("median", "least", "most")} <= set(claims["id"])
    assert (claims["seeds"] == 3).all()
    assert atlas_claims(read_atlases(runs[:2])).empty


def test_an_attack_on_some_pairs_alone_is_no_atlas(runs: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / runs[0].name
    folder.mkdir()
    for name in ("rows.csv", "samples.npz", "config.yaml"):
        (folder / name).write_bytes((runs[0] / name).read_bytes())
    attacks = RunFolder(runs[0]).read_attacks()
    assert attacks is not None
    attacks[attacks["target"] != 4].to_parquet(folder / "attacks.parquet")
    assert read_atlases([folder]) == []


def test_the_page_shows_it_and_its_claims(runs: list[Path]) -> None:
    found = {section.title: section for section in sections(runs, collect(runs))}
    assert {"The atlas: digits convnet_mnist, natural", "Attacks"} <= set(found)
    claims = found["Claims"].tables["claims"].numbers
    assert "atlas-digits-convnet_mnist-median" in set(claims["id"])


def test_its_choices_compose() -> None:
    config = compose(["sweep=atlas"])
    assert (config.data.name, config.attack.name) == ("mnist", "atlas")
