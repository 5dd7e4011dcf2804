"""What is certified: held against exact answers, all changes of tiny images, and attacks on trained networks."""

import itertools
import re
from math import comb, sqrt

import pytest
import torch
from torch import Tensor, nn

from robust.certify import Ablation, Counts, Gaussian, Smoothed, measure_certificates, votes
from robust.certify.smoothed import worst_pixels
from robust.data import ImageSet
from robust.models import ABLATED, Ablated, ConvNet
from robust.perturb import ImageRandom


class Plane(nn.Module):
    """Class 1 on one side of a plane: of the smoothed classifier the distance to it is the radius, exactly."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.normal = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    def beyond(self, images: Tensor) -> Tensor:
        return (self.normal * (images - 0.5)).sum((1, 2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([-self.beyond(images), self.beyond(images)], dim=1)


def image_set(count: int, shape: tuple[int, int, int], classes: int = 2) -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(count) % classes, tuple("abcdefghij"[:classes]))


def test_no_radius_is_larger_than_the_true_one_and_few_are_much_smaller() -> None:
    model, images = Plane((1, 3, 3)), image_set(60, (1, 3, 3))
    (found,) = measure_certificates(model, images, Gaussian(std=0.5), Counts(n=4000))
    with torch.no_grad():
        beyond = model.beyond(images.images / 255)
        true = (beyond.abs() / model.normal.norm()).numpy()
    kept = found["radius"].notna().to_numpy()
    assert (found["predicted"].to_numpy() == (beyond > 0).numpy())[kept].all()
    assert (found["radius"].to_numpy()[kept] <= true[kept]).all()
    assert (found["radius"].to_numpy()[kept] >= true[kept] - 0.08).all()
    assert true[~kept].max() < 0.08, "abstentions are close calls"
    assert set(found["count"]) <= set(range(4001))


class Few(nn.Module):
    """Any function of what is shown, which mostly says the same."""

    def __init__(self, inputs: int, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.randn(inputs, 16, generator=generator)
        self.last = torch.randn(16, 2, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.first) @ self.last


@pytest.mark.parametrize("channels", [1, 2])
def test_no_change_of_so_many_pixels_changes_a_certified_class(channels: int) -> None:
    """All places, and all combinations of three values, of images of six pixels; shares are exact."""
    pixels, smoothing, seen, changes = 6, Ablation(keep=1), set(), 0
    most = torch.eye(pixels).mul(3).sub(1).view(pixels, 1, 2, 3)  # of each pixel alone
    values = torch.tensor([*itertools.product((0.0, 0.4, 1.0), repeat=channels)])
    for seed in range(8, 12):
        model = Ablated(network=Few(2 * channels * pixels, seed), image_shape=(channels, 2, 3), num_classes=2)
        images = torch.rand(10, channels, 2, 3, generator=torch.Generator().manual_seed(2))

        def shares(some: Tensor, model: nn.Module = model) -> Tensor:
            shown = smoothing.apply_transform(some[:, None], most=most[None]).flatten(0, 1)
            return torch.nn.functional.one_hot(model(shown).argmax(1), 2).view(-1, pixels, 2).double().mean(1)

        for image, share in zip(images, shares(images), strict=True):
            count = smoothing.certified(share.max().item() - 1e-12, pixels)  # rounding may have lifted it
            seen.add(count)
            for size in (1, 2):
                places = torch.tensor([*itertools.combinations(range(pixels), size)])
                chosen = values[torch.tensor([*itertools.product(range(len(values)), repeat=size)])]
                changed = image.flatten(1).repeat(len(places), len(chosen), 1, 1)
                where = places[:, None, None].expand(-1, len(chosen), channels, -1)
                changed.scatter_(3, where, chosen.transpose(1, 2)[None].expand(len(places), -1, -1, -1))
                same = (shares(changed.view(-1, channels, 2, 3)).argmax(1) == share.argmax()).all()
                assert same or not size <= count  # NaN: no class at all
                changes += not same
    assert {1.0, 2.0} <= seen
    assert changes, "no change of two pixels changes any class"


def test_faulty_pixels_by_hand() -> None:
    """What a share can lose, of 784 pixels of which 45 are kept, for 1, 2, 5, 8 and 10 faulty ones."""
    smoothing = Ablation(keep=45)
    for count, loses in {1: 0.057, 2: 0.112, 5: 0.256, 8: 0.378, 10: 0.448}.items():
        assert smoothing.certified(0.5 + loses + 0.001, 784) == count
        assert smoothing.certified(0.5 + loses - 0.001, 784) == count - 1
    assert smoothing.certified(0.6, 784) == 1
    half = 0.5 + (1 - comb(783, 45) / comb(784, 45))
    assert smoothing.certified(half - 1e-9, 784) == 0
    assert smoothing.certified(0.5, 784) != smoothing.certified(0.5, 784), "a tie is no majority"
    assert Ablation(keep=784).certified(1.0, 784) == 0
    assert Gaussian(std=0.5).certified(0.5, 784) != Gaussian(std=0.5).certified(0.5, 784)
    assert Gaussian(std=0.5).certified(0.841344746, 1) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("smoothing", [Gaussian(std=0.3), Ablation(keep=5)], ids=["gaussian", "ablation"])
def test_an_image_has_its_copies_whatever_is_beside_it(smoothing) -> None:
    torch.manual_seed(0)
    model = Ablated(network=Few(2 * 12), image_shape=(1, 3, 4), num_classes=2).eval()
    images, places = torch.rand(7, 1, 3, 4), torch.arange(7) * 20
    given = {"copies": range(50, 350), "batch_size": 64}
    every = votes(model, images, places, smoothing, **given)
    assert (every.sum(1) == 300).all()
    for found, copies in zip(
        votes(model, images, places, smoothing, apart=90, **given), (range(50, 140), range(140, 350)), strict=True
    ):
        assert torch.equal(found, votes(model, images, places, smoothing, copies=copies))
    alone = votes(model, images[3:4], places[3:4], smoothing, copies=given["copies"], batch_size=300)
    assert torch.equal(alone[0], every[3])
    turned = votes(model, images.flip(0), places.flip(0), smoothing, **given)
    assert torch.equal(turned.flip(0), every)
    assert not torch.equal(votes(model, images, places, smoothing, seed=1, **given), every)
    same = votes(model, images[:1].repeat(7, 1, 1, 1), places, smoothing, **given)
    assert len(same[:, 0].unique()) > 1, "two images see other copies"


class Looks(nn.Module):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return torch.zeros(len(images), 2)


def test_copies_are_drawn_as_they_should_be() -> None:
    look, images = Looks(), torch.full((1, 2, 4, 4), 0.5)
    votes(look, images, torch.tensor([7]), Gaussian(std=0.25), copies=range(20_000), batch_size=20_000)
    (seen,) = look.seen
    noise = (seen - 0.5).flatten(1)
    bound = 5 / sqrt(len(seen))
    assert noise.mean(0).abs().max() < 0.25 * bound
    assert (noise.std(0) / 0.25 - 1).abs().max() < bound
    assert torch.corrcoef(noise.T).fill_diagonal_(0).abs().max() < bound
    assert noise.abs().max() > 0.5, "nothing is clipped"
    look = Looks()
    votes(look, images, torch.tensor([7]), Ablation(keep=5), copies=range(20_000), batch_size=20_000)
    kept = look.seen[0] != ABLATED
    assert torch.equal(kept[:, 0], kept[:, 1])
    assert (kept[:, 0].flatten(1).sum(1) == 5).all()
    assert (kept[:, 0].float().mean(0) - 5 / 16).abs().max() < bound / 2


def test_ablated_pixels_are_told_from_black_ones() -> None:
    network = Ablated(network=nn.Flatten(), image_shape=(1, 1, 3), num_classes=6)
    seen = network(torch.tensor([[[[ABLATED, 0.0, 0.75]]]]))
    assert seen.tolist() == [[0, 0, 0.75, 0, 1, 0.25]]


def test_the_smoothed_classifier_has_a_gradient_and_the_worst_pixels_are_where_it_points() -> None:
    torch.manual_seed(0)
    network = ConvNet(image_shape=(2, 6, 6), num_classes=3, units=[4], kernel_size=3, standardize="none")
    model = Smoothed(
        network=Ablated(network=network, image_shape=(1, 6, 6), num_classes=3), smoothing=Ablation(keep=20)
    ).eval()
    images, labels = torch.rand(5, 1, 6, 6), torch.tensor([0, 1, 2, 0, 1])
    before = model(images)
    torch.testing.assert_close(before.exp().sum(1), torch.ones(5))
    torch.testing.assert_close(model(images[2:3])[0], before[2])
    changed = worst_pixels(model, images, labels, pixels=4)
    assert ((changed != images).flatten(1).sum(1) <= 4).all()
    assert set(changed[changed != images].unique().tolist()) <= {0.0, 1.0}
    loss = nn.functional.nll_loss
    assert loss(model(changed), labels) > loss(before, labels)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": 99}, "`n` must be a whole number >= n0 (100); got 99"),
        ({"alpha": 0}, "`alpha` must be a number above 0 and below 1; got 0"),
        ({"alpha": 1.0}, "`alpha` must be a number above 0 and below 1"),
        ({"n0": 0}, "`n0` must be a whole number >= 1"),
        ({"seed": -1}, "`seed` must be a whole number >= 0; got -1"),
    ],
)
def test_counts_of_which_no_certificate_comes_are_refused(given, said) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Counts(**{"n0": 100, "n": 1000, "alpha": 0.001, **given})


def test_more_pixels_than_there_are_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="`keep` must be at most 9, the pixels of an image of 3 x 3; got 10"):
        next(measure_certificates(Plane((1, 3, 3)), image_set(2, (1, 3, 3)), Ablation(keep=10)))
    with pytest.raises(ValueError, match="`keep` must be a whole number >= 1"):
        Ablation(keep=0)
    assert len(Ablation(keep=9).sample(ImageRandom(0, torch.arange(2)), (1, 3, 3))["most"]) == 2
