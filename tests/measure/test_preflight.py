"""Faults in how a network is shown images are named; what is sound raises no alarm."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional

from robust.data import ImageSet, digits, to_float
from robust.measure import Finding, mcnemar, preflight
from robust.models import OutputError

MEAN, STD = (torch.tensor(one)[:, None, None] for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
CIFAR_MEAN, CIFAR_STD = (
    torch.tensor(one)[:, None, None] for one in ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
)
CLASSES = tuple(f"{colour} {digit}" for colour in ("red", "blue") for digit in range(5))


@functools.cache
def coloured(size: int = 32, *, grey: bool = False) -> tuple[ImageSet, ImageSet]:
    """Digits from 0 to 4, each red or blue, on grey ground: images to train and to test on."""
    found = []
    for part in (splits := digits(size=size)).train, splits.test:
        few = part[part.labels < 5]
        blue = torch.arange(len(few)) % 2
        shade = 0.2 + 0.8 * to_float(few.images).expand(-1, 3, -1, -1)
        tint = torch.tensor([[1.0, 0.5, 0.2], [0.2, 0.5, 1.0]])[blue][:, :, None, None]
        pixels = shade.mul(tint).mul(255).to(torch.uint8)
        if grey:
            pixels = few.images.expand(-1, 3, -1, -1).contiguous()
        found.append(ImageSet(pixels, few.labels + (0 if grey else 5) * blue, CLASSES))
    return found[0], found[1]


@functools.cache
def trained(seed: int = 0, *, epochs: int = 10, augmented: bool = False, grey: bool = False, shuffled: bool = False):
    torch.manual_seed(seed)
    train, _ = coloured(grey=grey)
    images, labels = to_float(train.images), train.labels
    if shuffled:
        labels = labels[torch.randperm(len(labels))]
    layers = [nn.Conv2d(3, 8, 5, 2), nn.Tanh(), nn.Conv2d(8, 16, 5, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(3)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=8e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(50):
            shown = images[rows]
            if augmented:
                shown = shown * (0.3 + 2 * torch.rand(len(rows), 1, 1, 1)) + 0.3 * torch.randn(len(rows), 3, 1, 1)
            loss = functional.cross_entropy(network(shown), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


class Given(nn.Module):
    """A network that is shown other images, or whose outputs are others."""

    def __init__(self, network, *, view=lambda images: images, read=lambda logits: logits):
        super().__init__()
        self.network, self.view, self.read = network, view, read

    def forward(self, images):
        return self.read(self.network(self.view(images)))


FAULTS = {
    "range": ({"view": lambda images: images / 255}, "range", "model.range=255"),
    "range twice": ({"view": lambda images: images * 255}, "range", "model.range=1"),
    "no normalisation": ({"view": lambda images: images * STD + MEAN}, "normalization", "model.mean=["),
    "no normalisation by CIFAR-10's": (
        {"view": lambda images: images * CIFAR_STD + CIFAR_MEAN},
        "normalization",
        "model.mean=[",
    ),
    "Caffe's": ({"view": lambda images: images / 255 + MEAN}, "normalization", "model.range=255 model.mean=[123.6"),
    "normalised twice": (
        {"view": lambda images: ((images - MEAN) / STD - MEAN) / STD},
        "normalization",
        "model.standardize=none",
    ),
    "blue first": ({"view": lambda images: images.flip(1)}, "channels", "model.channels=bgr"),
    "classes": (
        {"read": lambda logits: logits[:, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]]},
        "classes",
        "red 0 means red 1, red 1 means red 2, red 2 means red 3, ...",
    ),
    "two classes": ({"read": lambda logits: logits[:, [0, 2, 1, 3, 4, 5, 6, 7, 8, 9]]}, "classes", "red 1 means red 2"),
    "probabilities": ({"read": lambda logits: logits.softmax(1)}, "outputs", "model.outputs=probabilities"),
    "half probabilities": ({"read": lambda logits: logits.softmax(1).half()}, "outputs", "model.outputs=probabilities"),
    "dropout": ({"view": lambda images: functional.dropout(images, 0.8, training=True)}, "batch", "eval mode"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_with_what_to_do(fault: str) -> None:
    planted, kind, advice = FAULTS[fault]
    _, images = coloured()
    found = preflight(Given(trained(), **planted), images)
    assert [one.kind for one in found] == [kind], [str(one) for one in found]
    assert advice in str(found[0])


def test_two_faults_are_both_named() -> None:
    _, images = coloured()
    planted = Given(trained(), view=lambda images: images.flip(1) * STD + MEAN, read=lambda logits: logits.softmax(1))
    found = preflight(planted, images)
    assert {kind for one in found for kind in one.kind.split(" and ")} == {"outputs", "normalization", "channels"}
    planted = Given(trained(), view=lambda images: images.flip(1), read=lambda logits: logits[:, [9, *range(9)]])
    assert {"channels", "classes"} & {one.kind for one in preflight(planted, images)}


def test_a_batch_norm_that_works_as_in_training_is_named() -> None:
    network = nn.Sequential(trained(), nn.BatchNorm1d(10, track_running_stats=False))
    images = coloured()[1]
    ordered = images[images.labels.argsort()]
    assert "batch" in [one.kind for one in preflight(network, ordered, batch_size=20)]


def test_a_size_that_does_not_fit_is_named() -> None:
    _, small = coloured(16)
    found = preflight(trained(), small)
    assert [one.kind for one in found] == ["size"], found
    assert "model.size=32" in str(found[0])


def test_a_network_that_cannot_be_called_is_refused_with_what_it_takes() -> None:
    rigid = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 10))
    with pytest.raises(OutputError, match=r"with images of 64x64 pixels: Set model.size=64"):
        preflight(rigid, coloured()[1])
    grey = digits(size=32).test
    with pytest.raises(OutputError, match=r"with three like channels: Set model.channels=rgb"):
        preflight(trained(), grey)
    with pytest.raises(OutputError, match="cannot be called"):
        preflight(nn.Sequential(nn.Flatten(), nn.Linear(7, 10)), grey)
    with pytest.raises(OutputError, match=r"one for each image and class; got \(\d+, 10\)"):
        preflight(trained(), ImageSet(coloured()[1].images, coloured()[1].labels, (*CLASSES, "another")))


def constant(images: torch.Tensor) -> torch.Tensor:
    return torch.eye(10)[3].expand(len(images), 10)


def uniform(images: torch.Tensor) -> torch.Tensor:
    return torch.full((len(images), 10), 0.1)


SOUND = {
    "constant": lambda seed: Given(nn.Identity(), read=constant),
    "uniform": lambda seed: Given(nn.Identity(), read=uniform),
    "untrained": lambda seed: trained(seed, epochs=0),
    "half trained": lambda seed: trained(seed, epochs=2),
    "trained": lambda seed: trained(seed),
    "trained on all of them": lambda seed: trained(seed, augmented=True),
    "at chance": lambda seed: trained(seed, shuffled=True),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_network_raises_no_alarm(kind: str, seed: int) -> None:
    assert preflight(SOUND[kind](seed), coloured()[1]) == []


def test_a_network_of_grey_images_raises_no_alarm() -> None:
    assert preflight(trained(epochs=4, grey=True), coloured(grey=True)[1]) == []
    narrow = Given(trained(epochs=4, grey=True), view=lambda images: images.expand(-1, 3, -1, -1))
    images = coloured(grey=True)[1]
    assert preflight(narrow, ImageSet(images.images[:, :1], images.labels, CLASSES)) == []


@pytest.mark.parametrize("share", [0.05, 0.6, 0.95])
def test_unbalanced_classes_raise_no_alarm_of_a_constant_network(share: float) -> None:
    _, images = coloured()
    common = (images.labels == 0).nonzero()[:, 0]
    others = (images.labels != 0).nonzero()[:, 0][: int(len(common) * (1 - share) / share) + 1]
    assert preflight(Given(nn.Identity(), read=constant), images[torch.cat([common, others])]) == []


def test_the_model_is_left_as_it_was_and_a_few_images_are_enough() -> None:
    network = nn.Sequential(trained(), nn.Dropout(0.9)).train()
    assert preflight(network, coloured()[1][:3]) == []
    assert network.training


def test_a_finding_is_one_sentence_of_what_was_seen_and_one_of_what_to_do() -> None:
    found = Finding("range", "the network is right on 3 of 10 natural images.", "Set model.range=255.")
    assert str(found) == "Preflight: the network is right on 3 of 10 natural images. Set model.range=255."


@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (2, 10, 0.03857), (10, 2, 0.03857)]
)
def test_mcnemars_test_is_the_binomial_one(lost: int, gained: int, p: float) -> None:
    assert mcnemar(lost, gained) == pytest.approx(p, abs=1e-5)
