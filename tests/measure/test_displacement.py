"""Which layers feel a perturbation."""

import pytest
import torch
from torch import nn

from robust.data import ImageSet
from robust.measure import Condition, layers, measure_layers, movement
from robust.models import AlexNet, ConvNet, ResNet
from robust.perturb import GaussianNoise, HotPixels

SHAPE = (3, 32, 32)


def test_the_layers_of_every_network_are_named() -> None:
    resnet = ResNet(image_shape=SHAPE, num_classes=4)
    assert layers(resnet) == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    convnet = ConvNet(image_shape=SHAPE, num_classes=4, units=[8, 8], kernel_size=3, head=[16])
    assert layers(convnet) == ["features.0", "features.5", "head.0", "head.2"]
    convolutions = [f"trunk.0.{place}" for place in (0, 4, 8, 10, 12)]
    assert layers(AlexNet(image_shape=(1, 64, 64), num_classes=4)) == [*convolutions, "trunk.1", "trunk.4", "head"]
    for network in (resnet, convnet):
        names = [name for name, _ in network.named_parameters()]
        assert all(any(name.startswith(f"{layer}.") for name in names) for layer in layers(network))


class Known(nn.Module):
    """A first layer that doubles, and a second that sees only the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(1, 1, 1, bias=False)
        self.first = nn.Linear(16, 2, bias=False)
        nn.init.constant_(self.twice.weight, 2.0)
        nn.init.zeros_(self.first.weight)
        with torch.no_grad():
            self.first.weight[:, 0] = 1.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.first(self.twice(images).flatten(1))


def test_movement_is_the_distance_over_the_length() -> None:
    natural = torch.full((1, 1, 4, 4), 0.5)
    perturbed = natural.clone()
    perturbed[0, 0, 0, 0] = 1.0
    moved, overall = movement(Known(), natural, perturbed, ["twice", "first"])
    torch.testing.assert_close(moved, torch.tensor([[0.5 / (16 * 0.25) ** 0.5, 1.0]]))
    torch.testing.assert_close(overall, torch.tensor([[1 / 16, 1.0]]))
    perturbed[0, 0, 0, 0], perturbed[0, 0, 3, 3] = 0.5, 1.0
    again, _ = movement(Known(), natural, perturbed, ["twice", "first"])
    torch.testing.assert_close(again[0, 1], torch.tensor(0.0))


def test_what_only_stands_elsewhere_moves_nothing_overall() -> None:
    images = torch.zeros(1, 1, 4, 4)
    images[0, 0, 1, 1] = 1.0
    moved, overall = movement(Known(), images, images.roll(2, 3), ["twice"])
    assert moved.item() > 1
    assert overall.item() == 0


def test_stronger_perturbations_move_every_layer_further() -> None:
    generator = torch.Generator().manual_seed(0)
    images = ImageSet(
        torch.randint(256, (30, *SHAPE), dtype=torch.uint8, generator=generator), torch.arange(30) % 2, ("a", "b")
    )
    torch.manual_seed(0)
    network = ResNet(image_shape=SHAPE, num_classes=2).train()
    conditions = [Condition(), Condition(GaussianNoise(std=0.01)), Condition(GaussianNoise(std=0.1))]
    table = measure_layers(network, images, conditions, count=20)
    assert network.training
    assert table["n"].unique().tolist() == [20]
    weak, strong = (group["moved"].to_numpy() for _, group in table.groupby("test_level"))
    assert len(weak) == 6
    assert (strong > weak).all()
    assert (weak > 0).all()
    again = measure_layers(network, images, [*conditions[::-1], Condition(HotPixels(count=3))], count=20)
    merged = table.merge(again, on=["test_perturbation", "test_level", "layer"])
    assert merged["moved_x"].to_numpy() == pytest.approx(merged["moved_y"].to_numpy(), rel=1e-6)


def test_at_least_one_image() -> None:
    images = ImageSet(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(ValueError, match="`count` must be at least 1; got 0"):
        measure_layers(Known(), images, [], count=0)
