import itertools
from pathlib import Path

import pytest
import torch

from robust.experiment.build import build_conditions, build_perturbation
from robust.experiment.compose import compose, model_title
from robust.experiment.search_path import CONF
from robust.perturb import Perturbation


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml"))


@pytest.mark.parametrize("name", [name for name in choices("perturb") if name != "none"])
def test_every_perturbation_is_named_as_its_choice_and_keeps_its_level(name: str) -> None:
    built = build_perturbation(compose([f"perturb={name}"]).perturb)
    assert isinstance(built, Perturbation)
    assert built.name == name
    assert built.level == compose([f"perturb={name}"]).perturb.level


@pytest.mark.parametrize(("data", "technique"), list(itertools.product(choices("data"), choices("technique"))))
def test_every_data_set_and_technique_composes_to_plain_values(data: str, technique: str) -> None:
    config = compose([f"data={data}", f"technique={technique}", "data.path=x" if data == "folder" else "seed=1"])
    assert config.data.name == data
    assert config.technique.name == technique
    assert config.optimizer["_target_"] in ("torch.optim.Adam", "torch.optim.SGD")
    assert config.data.batch_size > 0
    assert config.trainer.max_epochs > 0


def test_the_defaults_of_the_paper() -> None:
    mnist, cifar10 = compose(["data=mnist"]), compose(["data=cifar10"])
    assert (mnist.optimizer.lr, mnist.trainer.max_epochs, mnist.data.batch_size) == (0.05, 50, 1500)
    assert (cifar10.optimizer.lr, cifar10.trainer.max_epochs, cifar10.data.batch_size) == (0.0005, 20, 100)
    assert (mnist.perturb.family, mnist.technique.name) == ("noise", "constant")


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_DATA", "/images")
    assert compose(["data=mnist"]).data.source.dir == "/images"
    monkeypatch.delenv("ROBUST_DATA")
    assert compose(["data=mnist"]).data.source.dir == "data"


def titles_of(*overrides: str) -> list[str]:
    config = compose(list(overrides))
    return [condition.title for condition in build_conditions(config.evaluation, (1, 28, 28), config.perturb.family)]


NOISE = ["noise 0.0255", "noise 0.03775", "noise 0.05"]
BLUR = ["blur 0.5", "blur 0.75", "blur 1"]
NINE = ["stuck 2", "hot 2", "dead 2", *NOISE, *BLUR]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["perturb=noise"], ["natural", *NOISE]),
        (["perturb=pixel"], ["natural", "stuck 2", "hot 2", "dead 2"]),
        (["perturb=blur_channels"], ["natural", "blur_channels 0.5", "blur_channels 0.75", "blur_channels 1"]),
        (["perturb=hot_persistent"], ["natural", "stuck_persistent 2", "hot_persistent 2", "dead_persistent 2"]),
        (["technique=natural"], ["natural", *NINE]),
        (["perturb=blur", "evaluation=camera"], ["natural", *NINE]),
        (["evaluation=none"], []),
        (["perturb=hot", "evaluation.conditions.hot=[1,3]"], ["natural", "stuck 2", "hot 1", "hot 3", "dead 2"]),
    ],
)
def test_what_a_model_is_tested_under(overrides: list[str], expected: list[str]) -> None:
    assert titles_of(*overrides) == expected


def test_the_impact_study_has_its_levels_and_the_grids() -> None:
    titles = titles_of("evaluation=impact")
    assert len(titles) == 1 + 4 * 5 + 7
    assert {"hot 5", "noise 0.01325", "blur 0.4"} <= set(titles)
    assert set(titles_of("evaluation=camera")) <= set(titles)


def test_all_is_all() -> None:
    camera, world, both = (titles_of(f"evaluation={name}") for name in ("camera", "world", "all"))
    assert both == [*camera, *world[1:]]


def test_a_changed_network_has_another_name() -> None:
    assert model_title(compose(["data=digits"]).model) == "convnet_mnist"
    assert model_title(compose(["model.dropout=0"]).model) == "convnet_mnist dropout=0"


def test_configuration_of_a_library_call_leaves_torch_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    compose([f"runs_dir={tmp_path}"])
    assert torch.equal(before, torch.get_rng_state())
