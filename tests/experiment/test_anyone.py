"""Any model on any images: short words, data of any make, models of any make."""

import copy
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

import robust
from robust.data import ImageSet
from robust.errors import Notice
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.specs import data_overrides, evaluation_overrides, model_overrides
from robust.runs import State

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)).eval()


@pytest.fixture(scope="module")
def images(network: nn.Module) -> ImageSet:
    """Of which the network gets three in four right."""
    pixels = torch.randint(256, (60, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = network(pixels / 255).argmax(1)
    return ImageSet(pixels, torch.where(torch.arange(60) < 45, labels, (labels + 1) % 3), CLASSES)


def accuracy(model: nn.Module, data: object, **options: object) -> float:
    rows = robust.evaluate(model, data=data, evaluation="natural", **options)
    assert len(rows) == 1
    return float(rows["accuracy"][0])


@pytest.mark.parametrize(
    "make",
    [
        lambda images: images,
        lambda images: (images.images, images.labels),
        lambda images: (images.images.permute(0, 2, 3, 1).numpy(), images.labels.numpy()),
        lambda images: (images.images / 255, images.labels),
        lambda images: TensorDataset(images.images, images.labels),
    ],
    ids=["ImageSet", "tensors", "arrays, channels last", "floats", "Dataset"],
)
def test_data_of_any_make_gives_the_same_accuracy(make, network: nn.Module, images: ImageSet) -> None:
    assert accuracy(network, make(images)) == 0.75


def test_a_folder_of_test_images_will_do(network: nn.Module, images: ImageSet, tmp_path: Path) -> None:
    for place, (pixels, label) in enumerate(zip(images.images, images.labels, strict=True)):
        for part in ("train", "test"):
            folder = tmp_path / "mine" / part / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{place}.png")
    asked = ["data.size=8", "data.cache_dir=null"]
    for given in (tmp_path / "mine", str(tmp_path / "mine")):
        rows = robust.evaluate(network, data=given, evaluation="natural", overrides=asked)
        assert rows["accuracy"][0] == 0.75
        assert rows["data"][0] == "mine"


def test_classes_that_no_image_shows_are_those_that_the_model_has(network: nn.Module, images: ImageSet) -> None:
    few = images[images.labels < 2]
    assert accuracy(network, (few.images, few.labels)) > 0.5
    with pytest.raises(ValueError, match=r"of shape \(\d+, 2\), one for each image and class"):
        robust.evaluate(network, data=ImageSet(few.images, few.labels, ("a", "b")), evaluation="natural")


class AsTuple(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images), images


MODELS = {
    "in train mode": lambda network: network.train(),
    "DataParallel": nn.DataParallel,
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "traced": lambda network: torch.jit.trace(network, torch.rand(2, 3, 8, 8)),
    "scripted": torch.jit.script,
    "half": lambda network: network.bfloat16(),
    "double": lambda network: network.double(),
}


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_model_of_any_make_is_measured_and_left_as_it_was(make: str, network: nn.Module, images: ImageSet) -> None:
    model = MODELS[make](copy.deepcopy(network))
    modes = [getattr(part, "training", False) for part in model.modules()]
    assert accuracy(model, images) == pytest.approx(0.75, abs=0.04 if make == "half" else 1e-9)
    assert [getattr(part, "training", False) for part in model.modules()] == modes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda network: network.forward, "Put it into one: class Wrapped"),
        (lambda network: type(network), r"got Sequential. Make one: Sequential\(...\)"),
        (lambda network: network.state_dict(), "Make the network, and give it these weights"),
        (lambda network: "runs/mine", "Load it: robust.load"),
        (lambda network: None, "Load the network"),
        (AsTuple, "Wrap the model in a module that returns the logits alone"),
    ],
    ids=["function", "class", "weights", "path", "nothing", "tuple"],
)
def test_what_is_no_model_is_refused_with_what_to_do(make, message: str, network: nn.Module, images: ImageSet) -> None:
    with pytest.raises(ValueError, match=message):
        robust.evaluate(make(network), data=images, evaluation="natural")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("digit", "Did you mean `digits`?"),
        ("no/such/folder", "a folder of images or an .npz file that is there"),
        (3, "got int"),
    ],
)
def test_what_is_no_data_is_refused_with_what_there_is(data: object, message: str, network: nn.Module) -> None:
    with pytest.raises(ValueError, match=message):
        robust.evaluate(network, data=data, evaluation="natural")


def test_a_fault_in_how_it_is_shown_images_is_said(network: nn.Module, images: ImageSet) -> None:
    class Bright(nn.Module):
        def forward(self, shown):
            return network(shown / 255)

    many = torch.cat([torch.arange(45)] * 6)
    with pytest.warns(Notice, match=r"Preflight: .*images from 0 to 255\. Set model.range=255"):
        robust.evaluate(Bright(), data=images[many], evaluation="natural")


def composed(model: str, data: str, *settings: str):
    return compose(evaluation_overrides(model, data, settings))


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("timm:resnet18", {"name": "timm", "architecture": "resnet18"}),
        ("torchvision:convnext_tiny", {"name": "torchvision", "architecture": "convnext_tiny"}),
        ("my_networks:small", {"name": "own", "path": "my_networks:small"}),
        ("convnet_mnist", {"name": "convnet_mnist"}),
        ("FOLDER/net (1).onnx", {"name": "onnx", "file": "FOLDER/net (1).onnx"}),
        ("FOLDER/theirs", {"name": "huggingface", "path": "FOLDER/theirs"}),
    ],
)
def test_a_models_short_word_stands_for_its_choice(
    word: str, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_networks.py").write_text("from torch import nn\n\n\ndef small():\n    return nn.Flatten()\n")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.json").write_text("{}")
    (tmp_path / "net (1).onnx").touch()
    config = composed(word.replace("FOLDER", str(tmp_path)), "digits")
    assert {name: config.model[name] for name in keys} == {
        name: value.replace("FOLDER", str(tmp_path)) for name, value in keys.items()
    }
    assert (config.technique.name, config.data.name) == ("pretrained", "digits")
    assert "noise" in config.evaluation.conditions


def test_a_folders_images_are_as_large_as_a_librarys_model_sees_them(tmp_path: Path) -> None:
    assert composed("timm:resnet18", str(tmp_path)).data.size == 224
    assert composed("timm:resnet18", str(tmp_path), "data.size=64").data.size == 64
    assert composed("convnet_cifar10", str(tmp_path)).data.size == 32
    assert composed("timm:resnet18", str(tmp_path)).data.path == str(tmp_path)


def test_what_the_command_says_is_kept(tmp_path: Path) -> None:
    config = composed("timm:resnet18", "digits", "evaluation=natural", "attack=pgd", "model.range=255")
    assert (list(config.evaluation.conditions), config.attack.name, config.model.range) == ([], "pgd", 255)
    with pytest.raises(ValueError, match="`technique` must be left out of robust evaluate"):
        evaluation_overrides("timm:resnet18", "digits", ["technique=harden"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("resnet19", "MODEL must be timm:NAME.*resnet19 is none.*Did you mean `resnet18`"),
        ("FOLDER", "neither a config.json nor a run"),
        ("no.onnx", "there is no no.onnx"),
        ("robust.models:ConvNett", r"cannot be imported. robust.models has no ConvNett. Did you mean `ConvNet`"),
    ],
)
def test_a_word_that_stands_for_no_model_is_refused(word: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        model_overrides(word.replace("FOLDER", str(tmp_path)))


def test_data_is_a_choice_before_it_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    np.savez(tmp_path / "mine.npz", test_images=np.zeros((2, 4, 4), np.uint8))
    assert data_overrides("digits") == ["data=digits"]
    assert data_overrides("./digits") == ["data=folder", "data.path='./digits'"]
    assert data_overrides("mine.npz") == ["data=npz", "data.path='mine.npz'"]


PROTOTYPES = """
import torch
from torch import nn

from robust.data import digits, to_float


class Prototypes(nn.Module):
    '''Which class's mean is nearest; takes images from 0 to 255.'''

    def __init__(self):
        super().__init__()
        train = digits().train
        images = to_float(train.images).flatten(1)
        self.register_buffer("means", torch.stack([images[train.labels == one].mean(0) for one in range(10)]))

    def forward(self, images):
        return images.flatten(1) / 255 @ self.means.T - self.means.square().sum(1) / 2
"""


def test_a_given_network_is_looked_over_before_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "prototypes.py").write_text(PROTOTYPES)
    found = {}
    for setting in ("model.range=1", "model.range=255"):
        asked = [setting, "evaluation=natural", "runs_dir=runs", *quick]
        run = prepare(evaluation_overrides("prototypes:Prototypes", "digits", asked))
        status = execute(run)
        assert status.state is State.DONE, status.reason
        found[setting] = run.files.read_rows()["accuracy"][0], (run.files.read_record() or {})["warnings"]
    (wrong, (warned,)), (right, none) = found.values()
    assert "Preflight: " in warned
    assert "Set model.range=255" in warned
    assert none == []
    assert wrong < 0.2 < 0.8 < right


def test_a_runs_network_is_measured_on_other_conditions(tmp_path: Path, quick: list[str]) -> None:
    shared = [f"runs_dir={tmp_path}", *quick]
    run = prepare(["technique=natural", "data=digits", "evaluation=natural", *shared])
    assert execute(run).state is State.DONE
    asked = ["evaluation=natural", "+evaluation.conditions.noise=[0.05]", "evaluation.families=[noise]", *shared]
    measured = prepare(evaluation_overrides(str(run.folder), "digits", asked))
    status = execute(measured)
    assert status.state is State.DONE, status.reason
    rows = measured.files.read_rows()
    assert rows["accuracy"][0] == run.files.read_rows()["accuracy"][0]
    assert set(rows["test_perturbation"]) == {"natural", "noise"}


def test_a_runs_network_is_named_by_how_it_was_trained_and_refused_for_what_it_was_not_trained_on(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    run = make_run("technique=natural", "evaluation=none")
    execute(run)
    same = make_run(*evaluation_overrides(str(run.folder), "digits"))
    assert same.identity.title == "pretrained convnet_mnist natural"
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 255, (8, 8, 8), dtype=np.uint8), np.arange(8) % 2
    np.savez(tmp_path / "small.npz", test_images=pixels, test_labels=labels)
    theirs = f"The network of {run.folder} tells 10 classes of 28x28 images"
    said = f"{theirs}; {tmp_path}/small.npz has 2 classes of 8x8 images"
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        make_run(*evaluation_overrides(str(run.folder), str(tmp_path / "small.npz")))
    assert "technique.start" not in str(error.value)
