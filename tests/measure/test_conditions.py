"""What a test image becomes depends on its place in its data set, the seed and the trial, and on nothing else."""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import robust
from robust import measure as room
from robust.data import ImageSet, to_float
from robust.measure import Condition, measure, measure_layers, predict, take_samples
from robust.models import ConvNet
from robust.perturb import GaussianNoise, HotPixels, ImageRandom, StuckPixels, key

CONDITIONS = [Condition(), Condition(HotPixels(count=4)), Condition(GaussianNoise(std=0.3))]


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (40, 1, 9, 9), dtype=torch.uint8, generator=generator)
    return ImageSet(pictures, torch.arange(40) % 3, ("a", "b", "c"))


class Pixels(nn.Module):
    """Answers with the brightest of three pixels, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen.append(batch.clone())
        return batch.flatten(1)[:, ::30]


def test_natural_images_stay_as_they_are(images: ImageSet) -> None:
    pictures = to_float(images.images)
    assert Condition().view(pictures, images.places, seed=0, trial=0) is pictures


def test_the_key_is_seed_trial_and_place(images: ImageSet) -> None:
    pictures, places, noise = to_float(images.images), torch.arange(100, 140), GaussianNoise(std=0.1)
    found = Condition(noise).view(pictures, places, seed=5, trial=2)
    assert torch.equal(found, noise.perturb(pictures, ImageRandom(key("test", 5, 2), places)))
    for other in ({"seed": 6, "trial": 2}, {"seed": 5, "trial": 1}):
        assert not torch.equal(found, Condition(noise).view(pictures, places, **other))


@pytest.mark.parametrize("rows", [slice(10, 20), torch.tensor([33, 2, 17])])
def test_part_of_a_data_set_is_perturbed_as_all_of_it(images: ImageSet, rows: slice | torch.Tensor) -> None:
    whole, part = Pixels(), Pixels()
    condition = Condition(StuckPixels(count=20))
    all_found, found = (
        predict(model, some, condition, 1, seed=3, batch_size=40)
        for model, some in ((whole, images), (part, images[rows]))
    )
    assert torch.equal(part.seen[0], whole.seen[0][rows])
    for one, every in zip(found, all_found, strict=True):
        assert torch.equal(one, every[rows])


def test_tests_of_both_halves_are_those_of_the_whole(images: ImageSet) -> None:
    every, *halves = (
        measure(Pixels(), some, CONDITIONS, trials=3, batch_size=7).predictions["predicted"]
        for some in (images, images[:20], images[20:])
    )
    for one, first, second in zip(every, *halves, strict=True):
        assert one.tolist() == [*first, *second]


def test_samples_of_part_of_a_data_set_are_those_of_the_whole(images: ImageSet) -> None:
    first, part = (take_samples(Pixels(), some, CONDITIONS, seed=0) for some in (images, images[:10]))
    assert (first.images == part.images).all()
    later = take_samples(Pixels(), images[12:], CONDITIONS, seed=0)
    noise = CONDITIONS[2].view(to_float(images.images[12:15]), torch.arange(12, 15), seed=0, trial=0)
    assert (later.images[2] == (noise * 255).round().to(torch.uint8).numpy()).all()


def test_layers_are_moved_alike_in_part_of_a_data_set(images: ImageSet) -> None:
    torch.manual_seed(0)
    network = ConvNet(image_shape=images.shape, num_classes=3, units=[4], kernel_size=3, padding=1)
    whole, *thirds = (
        measure_layers(network, some, CONDITIONS, count=40)["moved"].to_numpy()
        for some in (images, images[:30], images[30:])
    )
    assert (3 * thirds[0] + thirds[1]) / 4 == pytest.approx(whole, rel=1e-5)


def test_nobody_else_spells_the_key_of_a_test_image() -> None:
    """Any call of `key` whose first part is "test"."""
    package = Path(robust.__file__).parent
    places = [
        str(file.relative_to(package))
        for file in sorted(package.rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and (getattr(call.func, "id", None) == "key" or getattr(call.func, "attr", None) == "key")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value == "test"
    ]
    assert places == ["measure/conditions.py"]


def test_no_function_hides_a_module_of_the_room() -> None:
    names = [module.name for module in pkgutil.iter_modules(room.__path__)]
    for name in names:
        importlib.import_module(f"robust.measure.{name}")
    hidden = [name for name in names if not isinstance(getattr(room, name), ModuleType)]
    assert hidden == []
