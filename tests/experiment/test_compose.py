import shlex
from pathlib import Path

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose, model_title
from robust.experiment.conditions import build_conditions, choice_of
from robust.experiment.overrides import explain_unreadable
from robust.experiment.search_path import CONF, choice_folders
from robust.measure import NATURAL
from robust.perturb import Perturbation
from robust.runs.config import Config, check_targets

#: what a choice asks for
GIVEN = {
    **{name: ["data.path=x"] for name in ("folder", "huggingface", "npz")},
    "torchvision": ["data.dataset=GTSRB", "data.name=torchvision"],
}


def choices(group: str) -> list[str]:
    return sorted(path.stem for folder in choice_folders() for path in (folder / group).glob("[!_]*.yaml"))


@pytest.mark.parametrize("name", [name for name in choices("perturb") if name != "none"])
def test_every_perturbation_is_named_as_its_choice_and_keeps_its_level(name: str) -> None:
    built = build_perturbation(compose([f"perturb={name}"]).perturb)
    assert isinstance(built, Perturbation)
    assert choice_of(built.name) == name
    assert built.level == compose([f"perturb={name}"]).perturb.level


#: what a technique takes of a data set's recipe is that of its stage
STAGES = {"scratch", "retrain", "finetune", "probe", "adversarial"}


@pytest.mark.parametrize("technique", choices("technique"))
def test_every_technique_composes_to_plain_values(technique: str) -> None:
    config = compose([f"technique={technique}"])
    assert config.technique.name == technique
    assert config.technique.stage in STAGES
    assert config.optimizer["_target_"] in ("torch.optim.Adam", "torch.optim.SGD")
    assert config.data.batch_size > 0
    assert config.trainer.max_epochs > 0


@pytest.mark.parametrize("data", choices("data"))
def test_every_data_set_has_a_recipe_for_each_stage(data: str) -> None:
    config = compose([f"data={data}", *GIVEN.get(data, [])])
    assert config.data.name == data
    for stage in STAGES:
        recipe = config.recipe[stage]
        assert recipe["optimizer"] in ("torch.optim.Adam", "torch.optim.SGD")
        assert recipe["lr"] > 0
        assert recipe["batch_size"] > 0
        assert recipe["max_epochs"] > 0


@pytest.mark.parametrize("path", sorted((CONF / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configuration_of_a_run_may_name_every_source_of_ours(path: Path) -> None:
    source = OmegaConf.to_container(OmegaConf.load(path))["data"]["source"]  # type: ignore[index,call-overload]
    check_targets(Config.of({"_target_": source["_target_"]}), path)


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
    return [condition.title for condition in build_conditions(config, (1, 28, 28), own_family=config.perturb.family)]


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
    every, *parts = (titles_of(f"evaluation={name}") for name in ("all", "camera", "environment", "corruptions"))
    assert every == [NATURAL, *(title for part in parts for title in part[1:])]


def test_a_changed_network_has_another_name() -> None:
    assert model_title(compose(["data=digits"]).model) == "convnet_mnist"
    assert model_title(compose(["model.dropout=0"]).model) == "convnet_mnist dropout=0"


def test_configuration_of_a_library_call_leaves_torch_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    compose([f"runs_dir={tmp_path}"])
    assert torch.equal(before, torch.get_rng_state())


MANY = [
    ["technique=constant", "perturb=noise", "perturb.level=0.01", "seed=3"],
    ["perturb=hot", "perturb.level=3", "data=cifar10"],
    ["technique=harden", "perturb=environment", "perturb.fresh=true", "model=resnet18", "model.width=32"],
    ["technique=natural", "perturb=none"],
    ["sweep=pretext", "technique=finetune", "recipe.scratch.max_epochs=7", "data.labels=0.1"],
    ["sweep=strategies", "data=mnist", "technique=transfer", "perturb=blur_channels", "recipe.retrain.lr=0.5"],
    [
        "technique=incremental",
        "perturb=pixel_persistent",
        "schedule@technique.share=cosine",
        "technique.share.start=0.2",
    ],
    ["attack=table", "attack.several.pgd.eps=0.1", "evaluation=all", "evaluation.conditions.blur=[0.3,0.9]"],
    ["attack=eot", "perturb@attack.perturbation=noise", "attack.perturbation.level=0.1"],
    ["data=folder", "data.path=/images", "data.dir=/elsewhere"],
]


@pytest.mark.parametrize("overrides", MANY, ids=lambda one: " ".join(one))
def test_what_is_composed_is_what_hydra_composes(overrides: list[str]) -> None:
    with initialize_config_dir(str(CONF), version_base=None):
        expected = OmegaConf.to_container(hydra_compose("train", overrides), resolve=True)
    assert compose(overrides).plain() == expected


def test_a_configuration_that_others_share_is_not_changed_by_them() -> None:
    before = compose(["perturb=blur"]).plain()
    assert compose(["perturb=blur", "perturb.level=0.25", "optimizer.lr=0.5"]).perturb.transform.sigma == 0.25
    assert compose(["perturb=blur"]).plain() == before


def test_of_two_values_the_last_one_holds() -> None:
    assert compose(["seed=1", "++seed=2"]).seed == 2
    assert compose(["++seed=2", "seed=1"]).seed == 1


def test_paths_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("IMAGES", "/images")
    config = compose(["data=mnist", "data.dir=~/pictures", "runs_dir=$IMAGES/runs", "weights='$NOPE/x'"])
    assert config.data.source.dir == "/home/somebody/pictures"
    assert config.data.cache_dir == "/home/somebody/pictures/cache"
    assert (config.runs_dir, config.weights) == ("/images/runs", "$NOPE/x")


@pytest.mark.parametrize("name", ["/a (2024)", "/mü", "/a #1", "/a=b", "/it's", '/say "x"', "/a,b", "/[1]", "/100 % "])
def test_the_quotes_that_are_advised_make_any_name_a_value(name: str) -> None:
    advised = shlex.split(advice(f"data.dir={name}"))
    assert compose(advised).data.dir == name


def advice(override: str) -> str:
    return explain_unreadable(override).partition("quote it: ")[2].removesuffix(".")


def test_learning_rates_have_schedules_of_their_own() -> None:
    config = compose(["lr_scheduler=cosine", "lr_scheduler.end=0.1"])
    cosine = {"_target_": "robust.learn.Cosine", "start": 1.0, "end": 0.1, "warmup_epochs": None}
    assert dict(config.lr_scheduler) == cosine
    assert compose().lr_scheduler is None
    assert compose(["data=tiny_imagenet"]).lr_scheduler["_target_"] == "robust.learn.Cosine"
    assert compose(["data=tiny_imagenet", "lr_scheduler=constant"]).lr_scheduler["_target_"] == "robust.learn.Constant"
    with pytest.raises(ValueError, match=r"`lr_scheduler.warmup_epochs` .* choose one first: lr_scheduler=NAME"):
        compose(["lr_scheduler.warmup_epochs=2"])


def test_an_optimiser_and_an_augmentation_are_a_word() -> None:
    config = compose(["data=tiny_imagenet", "optimizer=adamw", "augment=cutmix"])
    assert dict(config.optimizer) == {"_target_": "torch.optim.AdamW", "lr": 0.001, "weight_decay": 0.05}
    assert dict(config.data.augment) == {"_target_": "robust.data.CutMix", "alpha": 1.0, "first": None}
    usual = compose(["data=tiny_imagenet"])
    assert (usual.optimizer["_target_"], usual.data.augment["zoom"]) == ("torch.optim.SGD", 0.15)
    assert compose(["data=tiny_imagenet", "augment=none"]).data.augment is None
    first = compose(["augment=mixup", "+augment@data.augment.first=crop_flip"]).data.augment["first"]
    assert first == {"_target_": "robust.data.Augmentation", "flip": True, "shift": 0.125, "whole": True}


def test_what_choices_have_in_common_is_no_choice() -> None:
    with pytest.raises(ValueError, match="`perturb=_drawn` is not a choice"):
        compose(["perturb=_drawn"])
