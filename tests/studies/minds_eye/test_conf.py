"""The choices that the study adds to those of the core: all compose, are built where nothing has to be read for that,
and say what is wrong with what is set."""

import itertools
import sys
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

import robust.studies.minds_eye
from robust.experiment.build import task_of
from robust.experiment.compose import compose
from robust.experiment.parents import starts
from robust.experiment.prepare import prepare
from robust.experiment.rules import locate
from robust.experiment.search_path import CONF
from robust.models import make_network
from robust.sweep.jobs import list_jobs

OWN = Path(robust.studies.minds_eye.__file__).parent / "conf"
FEW = ["data=scenes", "data.train=2", "data.test=2", "data.cache_dir=null", "data.batch_size=4", "evaluation=none"]


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (OWN / group).glob("*.yaml"))


@pytest.mark.parametrize(("model", "data"), list(itertools.product(choices("model"), choices("data"))))
def test_every_model_brings_the_task_that_trains_it(model: str, data: str) -> None:
    config = compose([f"data={data}", f"model={model}", "technique=natural"])
    given = {"image_shape": [1, 64, 64], "num_classes": 4}
    network = make_network({**config.model.without(["name"]), **given})
    assert isinstance(network, task_of(config).networks)
    assert callable(locate(config.data.source["_target_"]))


@pytest.mark.parametrize(("task", "recipe"), list(itertools.product(choices("task"), choices("recipe"))))
def test_every_task_is_trained_by_every_recipe(task: str, recipe: str) -> None:
    config = compose(["data=scenes", f"task={task}", f"recipe={recipe}", "technique=natural"])
    assert config.task.name == task
    assert config.data.background_class is config.task.get("background_class", True)
    assert config.trainer.max_epochs > 0


def test_its_sweep_trains_five_natural_networks() -> None:
    products = compose(["sweep=minds_eye"]).sweep.products
    jobs = list_jobs(products, [], OverridesParser.create().parse_overrides)
    assert len(jobs) == 5
    assert all("technique=natural" in job for job in jobs)


def test_what_is_composed_is_what_hydra_composes() -> None:
    overrides = ["data=scenes", "model=triple_staged", "data.parameters=[pitch,yaw]", "data.background_class=false"]
    with initialize_config_dir(str(CONF), version_base=None):
        expected = OmegaConf.to_container(hydra_compose("train", overrides), resolve=True)
    assert compose(overrides).plain() == expected


def test_scenes_are_shuffled_and_their_recipe_has_a_schedule() -> None:
    assert all(compose([f"data={name}"]).data.shuffle for name in choices("data"))
    assert compose(["data=scenes"]).lr_scheduler["_target_"] == "robust.learn.Cosine"
    assert compose(["data=scenes", "lr_scheduler=constant"]).lr_scheduler["_target_"] == "robust.learn.Constant"


def test_a_stage_of_a_network_is_trained_as_its_own_command_says() -> None:
    overrides = ["data=scenes", "model=triple_staged", "technique=natural", "model.dropout=0.1", "optimizer.lr=0.5"]
    config = compose(overrides)
    parts = starts(overrides, config)
    assert set(parts) == {"estimator", "projector"}
    estimator, projector = (compose(parts[name]) for name in ("estimator", "projector"))
    assert (estimator.task.name, estimator.model.dropout) == ("estimate", 0.1)
    assert (estimator.optimizer.lr, projector.optimizer.lr) == (0.001, 0.001)
    assert "dropout" not in projector.model


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data=scenes", "data.objects.monkey.mesh=/not/there.ply"],
            r"The mesh /not/there.ply is not there. A mesh is ",
        ),
        (["data=scenes", "data.objects.monkey.mesh=teapot"], "A mesh must be one of aeroplane, monkey, penguin"),
        (["data=scenes", "data.backgrounds=/not/there"], "`data.backgrounds` must be photographs, or a folder "),
        (["data=scenes", "data.parameters=[tilt]"], "`data.parameters` must be among pitch, yaw, roll, scale, "),
        (["data=scenes", "data.background_class=2"], "`data.background_class` must be true or false; got 2."),
        (["data=scenes", "data.train=none"], "`data.train` must be a whole number; got none."),
        (["model=estimator"], "`recipe` must say how `task=estimate` is trained; that of `data=digits` "),
        ([*FEW, "task=estimate"], "`task=estimate` trains Estimator; got `model=alexnet`. Leave `task` out"),
        ([*FEW, "task=classify_and_estimate"], "trains AlexNetWithPose; got `model=alexnet`. Leave `task` out"),
        (
            ["task=compare", "recipe=scenes", "evaluation=none"],
            "`task=compare` needs images of which parameters, is_object are known; got `data=digits`.",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_it_starts(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        prepare(["technique=natural", f"runs_dir={tmp_path}", *overrides])


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(
        ValueError, match=r"`data=scenes` needs the package trimesh \(.*: pip install 'robust\[scenes\]'"
    ):
        prepare(["technique=natural", f"runs_dir={tmp_path}", *FEW, "data.train=3"])
