"""`restore`: a run is measured behind a restoration, beside itself without one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import robust
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.report.tables import summary_table
from robust.restore import DefectivePixels, Restored
from robust.runs import State, collect, warnings_of

HOT = ["technique=incremental", "perturb=hot", "perturb.level=10"]


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restored")


def test_a_run_is_measured_again_and_nothing_else_is_trained(
    make_run: Callable[..., Experiment], runs_dir: Path
) -> None:
    here = [*HOT, f"runs_dir={runs_dir}"]
    plain, restored = make_run(*here), make_run(*here, "restore=defective_pixels")
    assert restored.parents[""].identity == plain.identity
    assert execute(restored).state is State.DONE
    assert plain.status().state is State.DONE, "it was made on the way, with its own tests"
    model, alone = (robust.load(one.folder) for one in (restored, plain))
    assert isinstance(model, Restored)
    assert isinstance(model.restore, DefectivePixels)
    images = restored.splits.test.images[:64] / 255
    assert torch.equal(model(images), alone(model.restore(images)))
    assert {name: value for name, value in model.network.state_dict().items() if value.isnan().any()} == {}


def test_it_stands_in_the_table_beside_the_run_that_it_is_of(
    make_run: Callable[..., Experiment], runs_dir: Path
) -> None:
    here = [*HOT, f"runs_dir={runs_dir}"]
    natural = ["technique=natural", f"runs_dir={runs_dir}"]
    runs = [
        *(make_run(*here, *more) for more in ([], ["restore=defective_pixels"], ["restore=median"])),
        *(make_run(*natural, *more) for more in ([], ["restore=median"], ["restore=median", "restore.size=5"])),
    ]
    for run in runs:
        assert execute(run).state is State.DONE
    folders = [run.folder for run in runs]
    table = summary_table(collect(folders), folders).drop_duplicates("run").set_index("title")
    assert {*table.index} == {
        "incremental hot 10",
        "incremental +defective_pixels hot 10",
        "incremental +median hot 10",
        "natural",
        "natural +median",
        "natural +median size=5",
    }
    assert set(table["reference"]) == {runs[3].folder.name}, "all are compared with the natural run, as it is"
    rows = collect([runs[3].folder, runs[4].folder]).query("test_perturbation == 'hot'")
    bare, mended = (rows[rows["run"] == run.folder.name]["accuracy"].mean() for run in runs[3:5])
    assert mended > bare, "two epochs are enough for that"


def test_what_it_is_compared_with_and_starts_from_has_none(make_run: Callable[..., Experiment]) -> None:
    child = make_run("technique=transfer", "restore=median")
    assert child.config.restore.name == "median"
    assert [one.config.restore for one in (child.parents[""], child.reference)] == [None, None]
    assert child.parents[""].parents[""].identity == child.reference.identity
    assert compose(["technique=natural"]).restore is None
    assert make_run("technique=natural", "restore=none").identity == make_run("technique=natural").identity


def test_an_attack_that_does_not_see_through_it_is_told_of(make_run: Callable[..., Experiment]) -> None:
    attack = ["technique=natural", "evaluation=natural", "attack.images=2"]
    pgd = ["attack=pgd", "attack.steps=2"]
    jpeg = make_run(*attack, *pgd, "restore=jpeg")
    assert execute(jpeg).state is State.DONE
    (warning,) = warnings_of([jpeg.folder])
    assert "attack=pgd does not see through restore=jpeg" in warning
    for seen in (
        make_run(*attack, *pgd, "restore=median"),
        make_run(*attack, "attack=one_pixel", "attack.generations=1", "restore=jpeg", "restore.quality=80"),
    ):
        assert execute(seen).state is State.DONE
        assert not warnings_of([seen.folder])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("restore=media", "restore"),
        ("restore.size=4", r"`restore.size` must be an odd number from 3 to 15; got 4"),
        ("+restore.sigma=1", r"`restore.sigma` is not a key"),
    ],
)
def test_a_restoration_that_cannot_be_is_refused_before_training(
    make_run: Callable[..., Experiment], wrong: str, message: str
) -> None:
    given = ["restore=median"] if "." in wrong else []
    with pytest.raises(ValueError, match=message):
        make_run("technique=natural", *given, wrong)
