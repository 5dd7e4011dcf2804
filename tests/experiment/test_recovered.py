"""`restore`: a run is measured behind a restoration, beside itself without one."""

import shutil
import subprocess
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


ADAPT = ["technique=natural", "evaluation.families=[noise]", "evaluation.conditions.noise=[0.05,0.2]"]


def test_a_run_that_adapts_is_measured_in_batches_of_its_own(
    make_run: Callable[..., Experiment], runs_dir: Path
) -> None:
    here = [*ADAPT, f"runs_dir={runs_dir}"]
    run, other = make_run(*here, "adapt=bn"), make_run(*here, "adapt=bn", "evaluation.batch_size=17")
    assert run.identity == other.identity
    assert execute(run).state is State.DONE
    rows = collect([run.folder])
    assert list(rows["technique"].unique()) == ["natural +bn"]
    shutil.rmtree(run.folder)
    assert execute(other).state is State.DONE
    assert rows["accuracy"].equals(collect([run.folder])["accuracy"])
    still, one = (make_run(*here, "adapt=tent", "adapt.lr=0"), make_run(*here, "adapt=bn", "adapt.batch_size=1"))
    for each in (still, one):
        assert execute(each).state is State.DONE
    assert rows["accuracy"].equals(collect([still.folder])["accuracy"]), "tent that learns nothing is bn"
    assert not rows["accuracy"].equals(collect([one.folder])["accuracy"])


def test_conditions_of_one_stream_are_made_again_together(make_run: Callable[..., Experiment], runs_dir: Path) -> None:
    for protocol in ("continual", "mixed"):
        settings = ["adapt=tent", f"adapt.protocol={protocol}", f"runs_dir={runs_dir}"]
        run = make_run(*ADAPT, *settings)
        assert execute(run).state is State.DONE
        assert not run.is_incomplete()
        further = make_run(*ADAPT, *settings, "evaluation.conditions.noise=[0.05,0.2,0.3]")
        assert {test[2] for _, test in further.missing_tests()} == {0, 1}
        assert len(further.missing_tests()) == 1 + 2 * 3
        assert execute(further).state is State.DONE
        again = make_run(
            *ADAPT, *settings, "evaluation.conditions.noise=[0.05,0.2,0.3]", f"runs_dir={runs_dir / 'anew'}"
        )
        assert execute(again).state is State.DONE
        ordered = [
            collect([one.folder]).sort_values(["test_perturbation", "test_level", "trial"])["accuracy"].tolist()
            for one in (further, again)
        ]
        assert ordered[0] == ordered[1]


def test_restored_pictures_are_what_it_adapts_to(make_run: Callable[..., Experiment], runs_dir: Path) -> None:
    run = make_run(*ADAPT, "restore=median", "adapt=eata", f"runs_dir={runs_dir}")
    assert run.identity.technique == "natural +median +eata"
    assert execute(run).state is State.DONE
    model = robust.load(run.folder)
    assert isinstance(model.network, Restored)
    assert any(value.any() for name, value in model.state_dict().items() if name.startswith("information"))


@pytest.mark.parametrize(
    "wrong",
    ["attack=pgd", "evaluation.sequences=true", "evaluation.until=0.05", "adapt.protocol=none", "adapt.lr=-1"],
)
def test_what_a_network_that_adapts_cannot_be_asked_is_refused(make_run: Callable[..., Experiment], wrong: str) -> None:
    key = wrong.partition("=")[0]
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        make_run("technique=natural", "adapt=tent", wrong)


def test_a_restoration_of_ones_own_is_one_like_any_other(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, quick: list[str]
) -> None:
    (tmp_path / "mending.py").write_text(
        "from robust.restore import Restoration\n"
        "class Halved(Restoration):\n"
        '    """Half as bright."""\n'
        "    def forward(self, images):\n"
        "        return images / 2\n"
    )
    choice = tmp_path / "conf" / "restore" / "halved.yaml"
    choice.parent.mkdir(parents=True)
    choice.write_text("name: halved\n_target_: mending.Halved\n")
    place = ["--config-dir", str(tmp_path / "conf"), f"runs_dir={tmp_path / 'runs'}"]
    done = command(
        "-m",
        "robust",
        "train",
        "technique=natural",
        "restore=halved",
        "evaluation=natural",
        *place,
        *quick,
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "natural +halved" in done.stdout
