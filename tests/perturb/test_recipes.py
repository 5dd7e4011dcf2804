"""AugMix, PRIME and PixMix: what is mixed, by how much, and what each part of it does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robust.perturb import (
    AugMix,
    Chains,
    ColourCurve,
    Diffeomorphism,
    DrawnOperation,
    GaussianNoise,
    ImageRandom,
    PixMix,
    Prime,
    RandomFilter,
    fractals,
    key,
)


def random(count: int) -> ImageRandom:
    return ImageRandom(key("test"), torch.arange(count))


def smooth(count: int, side: int = 32) -> torch.Tensor:
    x = torch.linspace(0, 1, side)
    return (x[:, None] * 0.5 + x * 0.3 + 0.1).expand(count, 3, side, side).clone()


class Inverted(GaussianNoise):
    """What every chain of one step makes alike."""

    def apply_transform(self, images, **_):
        return 1 - images


def test_the_weights_of_chains_and_the_share_that_stays_are_drawn_evenly() -> None:
    drawn = AugMix().sample(random(4000), (3, 8, 8))
    torch.testing.assert_close(drawn["weights"].sum(1), torch.ones(4000))
    torch.testing.assert_close(drawn["weights"].mean(0), torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    assert drawn["weights"].var(0).mean().item() == pytest.approx(1 / 18, abs=0.005), "Dirichlet(1, 1, 1)"
    assert drawn["stays"].var().item() == pytest.approx(1 / 12, abs=0.005), "Beta(1, 1)"
    assert torch.bincount(drawn["lengths"].flatten(), minlength=4)[1:].min() > 3700, "1, 2 and 3 of 12,000"


def test_a_mixture_is_the_image_and_its_chains_by_their_weights() -> None:
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mixture = Chains(each=Inverted(std=1), longest=1)
    drawn = mixture.sample(random(6), (3, 8, 8))
    stays = drawn["stays"][:, None, None, None]
    torch.testing.assert_close(
        mixture.apply_transform(images, **drawn), stays * images + (1 - stays) * (1 - images), atol=1e-6, rtol=0
    )


def test_operations_are_drawn_evenly_and_as_strong_as_published() -> None:
    drawn = DrawnOperation(severity=3).sample(random(9000), (3, 32, 32))
    assert (torch.bincount(drawn["drawn"], minlength=9) - 1000).abs().max() < 120
    amounts = [drawn["amounts"][drawn["drawn"] == place] for place in range(9)]
    _, _, posterize, rotate, solarize, shear, _, shift, _ = (set(one.tolist()) for one in amounts)
    assert posterize == {4, 5}, "4 or 3 bits are left"
    assert rotate == set(map(float, range(-8, 9)))
    assert solarize == {level / 256 for level in range(2, 77)}
    assert 0.088 < max(shear) < 0.09
    assert {round(one * 32) for one in shift} == set(range(-3, 4))


def test_a_diffeomorphism_moves_every_place_a_little_and_folds_nothing() -> None:
    moved = Diffeomorphism().sample(random(2000), (3, 32, 32))["displacements"]
    typical = moved[:, :, 8:24, 8:24].square().mean((1, 2, 3)).sqrt()
    assert 0.3 < typical.median() < 1.5, "of the order of a pixel"
    assert moved[:, :, 0].abs().max() < 1e-4, "edges along which sines are 0 stay"
    steps = torch.diff(moved[:, 0], dim=2)
    assert (steps < 1).double().mean() > 0.99, "places keep their order"
    images = smooth(50)
    assert 1e-4 < (Diffeomorphism()(images, seed=0) - images).abs().mean() < 0.05


def test_fewer_numbers_give_the_fields_of_all_sines() -> None:
    from robust.perturb.prime import _modes

    cut, side = 60, 16
    spread, down, across = _modes(side, side, torch.device("cpu"))
    found = torch.einsum("ai,bj,ij->ab", down**2, across**2, spread[cut - 2] ** 2)
    frequency, x = torch.arange(1, cut + 1).double(), torch.linspace(0, 1, side).double()
    sines = (torch.pi * x[:, None] * frequency).sin() ** 2
    length = (frequency[:, None] ** 2 + frequency**2).sqrt()
    expected = torch.einsum("ai,bj,ij->ab", sines, sines, (length < cut + 0.5) / length**2)
    torch.testing.assert_close(found, expected)


def test_a_colour_curve_is_a_sum_of_sines_of_each_value() -> None:
    images, curve = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)), ColourCurve()
    coefficients = curve.sample(random(5), (3, 8, 8))["coefficients"] / 5
    frequency = torch.arange(1, 101)
    sines = (torch.pi * images.double()[..., None] * frequency).sin()
    expected = images + (coefficients[:, :, None, None] * sines).sum(-1)
    found = curve.apply_transform(images, coefficients=coefficients)
    torch.testing.assert_close(found.double(), expected.clamp(0, 1), atol=3e-4, rtol=0)


def test_a_filter_without_spread_leaves_the_image_and_with_it_is_a_convolution() -> None:
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(RandomFilter(level=0)(images, seed=0), images)
    weights = RandomFilter().sample(random(4), (3, 8, 8))["weights"]
    expected = [
        torch.nn.functional.conv2d(one[:, None], weight[None, None], padding=1)[:, 0]
        for one, weight in zip(images, weights, strict=True)
    ]
    found = RandomFilter().apply_transform(images, weights=weights)
    torch.testing.assert_close(found, torch.stack(expected).clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("view", [AugMix(), Prime(), PixMix()], ids=lambda one: one.name)
def test_a_view_is_the_same_whatever_else_is_in_the_batch(view) -> None:
    images = smooth(12) * torch.linspace(0.5, 1, 12)[:, None, None, None]
    together = view(images, seed=4)
    some = torch.tensor([7, 2])
    torch.testing.assert_close(view(images[some], seed=4, indices=some), together[some], atol=1e-4, rtol=0)


def test_fractals_differ_and_do_not_depend_on_how_many_there_are() -> None:
    pictures = fractals(12, 32)
    assert pictures.shape == (12, 3, 32, 32)
    assert pictures.dtype == torch.uint8
    assert torch.equal(fractals(5, 32), pictures[:5])
    assert not torch.equal(fractals(5, 32, seed=1), pictures[:5])
    between = (pictures[:, None].float() - pictures).abs().mean((2, 3, 4)) / 255
    assert between[~torch.eye(12, dtype=torch.bool)].min() > 0.05
    assert (pictures.float().flatten(2).std(2) > 5).any(1).all(), "each shows something"


def test_pixmix_mixes_as_often_as_is_drawn_and_with_what_is_drawn() -> None:
    images, mix = smooth(400), PixMix()
    drawn = mix.sample(random(400), (3, 32, 32))
    changed = (mix.apply_transform(images, **drawn) != images).flatten(1).any(1)
    assert torch.equal(torch.bincount(drawn["count"], minlength=5) > 50, torch.ones(5, dtype=torch.bool))
    assert changed[drawn["count"] > 0].double().mean() > 0.99
    untouched = (drawn["count"] == 0) & ~drawn["begins"]
    assert not changed[untouched].any()
    assert untouched.any()
    first, second = drawn["weights"].flatten(0, 1).unbind(1)
    assert torch.equal(first > 1, second < 0)
    assert first[first < 1].mean().item() == pytest.approx(3 / 4, abs=0.02), "Beta(3, 1)"
    assert second[second > 0].mean().item() == pytest.approx(1 / 4, abs=0.02), "Beta(1, 3)"


def test_pixmix_takes_its_pictures_from_a_folder(tmp_path: Path) -> None:
    for name, value in (("a.png", 255), ("deep/b.jpg", 255)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((50, 40, 3), value, dtype=np.uint8)).save(tmp_path / name)
    white, mixed = PixMix(pictures=tmp_path), torch.full((300, 3, 32, 32), 0.5)
    drawn = white.sample(random(300), (3, 32, 32))
    drawn |= {"begins": torch.zeros(300).bool(), "copies": torch.zeros(300, 4).bool()}
    drawn |= {"multiplies": torch.zeros(300, 4).bool(), "count": torch.ones(300).long()}
    found = white.apply_transform(mixed, **drawn)
    torch.testing.assert_close(found[:, 0, 0, 0], (0.5 + drawn["weights"][:, 0, 1] / 2).clamp(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AugMix(severity=11), "`severity` must be at most 10; got 11"),
        (lambda: AugMix(chains=0), "`chains` must be a whole number >= 1; got 0"),
        (lambda: Prime(level=2), "`level` must be at most 1; got 2"),
        (lambda: Prime(longest=1.5), "`longest` must be a whole number >= 1; got 1.5"),
        (lambda: PixMix(rounds=1.5), "`rounds` must be a whole number >= 0; got 1.5"),
        (lambda: PixMix(beta=0), "`beta` must be a number above 0; got 0"),
        (lambda: PixMix(pictures="nowhere"), "`pictures` must be a folder .* got nowhere, which is not there"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_a_sentence(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"which has none"):
        PixMix(pictures=tmp_path)
    (tmp_path / "one.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"`pictures` must hold pictures that can be read; .*one.png cannot"):
        PixMix(pictures=tmp_path)(smooth(3), seed=0)
