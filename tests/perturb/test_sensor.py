"""A faulty sensor: how many pixels, where, what they show; noise, whose values know nothing of one another."""

import pytest
import torch
from scipy import stats

from robust.perturb import DeadPixels, GaussianNoise, HotPixels, ImageRandom, MixedPixels, StuckPixels, key
from robust.perturb.sensor import set_pixels

KINDS = [StuckPixels, HotPixels, DeadPixels, MixedPixels]
every_kind = pytest.mark.parametrize("kind", KINDS)
GREY = 1 / 3  # no stuck pixel shows it: their values are multiples of 2**-24


def draws(images, *, seed=0):
    return ImageRandom(key("test", seed), torch.arange(images))


def grey(batch, channels=3, height=6, width=5):
    return torch.full((batch, channels, height, width), GREY)


@every_kind
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("count", [1, 7, 29, 30])
def test_exactly_count_pixels_of_each_image_change(kind, persistent, count):
    images = grey(50)
    changed = kind(count=count, persistent=persistent)(images, seed=1) != images
    assert (changed.any(1).sum((1, 2)) == count).all()
    assert torch.equal(changed.any(1), changed.all(1)), "a faulty pixel is faulty in every channel"


@every_kind
@pytest.mark.parametrize("persistent", [False, True])
def test_positions_are_distinct(kind, persistent):
    positions = kind(count=20, persistent=persistent).sample(draws(100), (3, 6, 5))["positions"]
    assert (positions.sort(1).values.diff(dim=1) > 0).all()
    assert 0 <= positions.min() <= positions.max() < 30


@pytest.mark.parametrize("count", [1, 3, 15])
def test_positions_are_uniform(count):
    images = 4000
    positions = HotPixels(count=count).sample(draws(images), (1, 6, 5))["positions"]
    hits = positions.flatten().bincount(minlength=30)
    expected = images * count / 30
    spread = ((hits - expected) ** 2 / expected).sum() * 29 / (30 - count)  # drawn without putting back
    assert 0.001 < stats.chi2(29).sf(spread) < 0.999


def test_pairs_of_positions_are_uniform():
    positions = HotPixels(count=2).sample(draws(15_000), (1, 3, 2))["positions"].sort(1).values
    hits = (positions[:, 0] * 6 + positions[:, 1]).bincount()
    assert len(hits[hits > 0]) == 15
    assert stats.chisquare(hits[hits > 0]).pvalue > 0.001


@every_kind
def test_a_persistent_fault_is_the_same_in_every_image(kind):
    perturbed = kind(count=6, persistent=True)(torch.cat([grey(20), grey(20) / 2]), seed=1)
    faulty = (perturbed[0] != GREY).all(0)
    assert (perturbed[:, :, faulty] == perturbed[0][:, faulty]).all()
    assert (perturbed[:20, :, ~faulty] == GREY).all()
    assert (perturbed[20:, :, ~faulty] == grey(1)[0, 0, 0, 0] / 2).all()


@every_kind
def test_another_seed_is_another_sensor(kind):
    perturbation = kind(count=6, persistent=True)
    assert not torch.equal(perturbation(grey(1), seed=1), perturbation(grey(1), seed=2))


@every_kind
def test_faults_of_different_images_differ(kind):
    positions = kind(count=6).sample(draws(200), (3, 6, 5))["positions"].sort(1).values
    assert len(positions.unique(dim=0)) > 190


def test_hot_pixels_show_one_and_dead_ones_zero():
    assert (HotPixels(count=30)(grey(4)) == 1).all()
    assert (DeadPixels(count=30)(grey(4)) == 0).all()


def test_stuck_values_are_uniform_and_every_channel_has_its_own():
    values = StuckPixels(count=10).sample(draws(2000), (3, 6, 5))["values"].transpose(0, 1).flatten(1)
    for channel in values:
        assert stats.kstest(channel, "uniform").pvalue > 0.001
    correlations = torch.corrcoef(values) - torch.eye(3)
    assert correlations.abs().max() < 4 / values.shape[1] ** 0.5


def test_stuck_values_do_not_depend_on_the_position():
    parameters = StuckPixels(count=10).sample(draws(2000), (1, 6, 5))
    both = torch.stack([parameters["positions"].flatten().float(), parameters["values"].flatten()])
    assert torch.corrcoef(both)[0, 1].abs() < 0.03


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mixed_fault_is_stuck_hot_or_dead_with_a_third_each(channels):
    values = MixedPixels(count=10).sample(draws(1000), (channels, 6, 5))["values"].transpose(0, 1).flatten(1)
    hot, dead = (values == 1).all(0), (values == 0).all(0)
    stuck = ~(hot | dead)
    assert stats.chisquare([hot.sum(), dead.sum(), stuck.sum()]).pvalue > 0.001
    assert not ((values[:, stuck] == 1) | (values[:, stuck] == 0)).any(), "a pixel hot or dead in one channel only"
    assert stats.kstest(values[:, stuck].flatten(), "uniform").pvalue > 0.001


def test_a_persistent_mixed_sensor_has_all_three_faults_too():
    values = MixedPixels(count=300, persistent=True).sample(draws(5), (1, 20, 20))["values"]
    assert values.shape == (1, 1, 300)
    counts = [(values == 1).sum(), (values == 0).sum(), ((values > 0) & (values < 1)).sum()]
    assert stats.chisquare(counts).pvalue > 0.001


def test_set_pixels_counts_row_by_row():
    images = torch.zeros(2, 2, 2, 3)
    values = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    changed = set_pixels(images, torch.tensor([[0, 5], [1, 3]]), values)
    first = torch.tensor([[[0.1, 0, 0], [0, 0, 0.2]], [[0.3, 0, 0], [0, 0, 0.4]]])
    second = torch.tensor([[[0, 0.1, 0], [0.2, 0, 0]], [[0, 0.3, 0], [0.4, 0, 0]]])
    assert torch.equal(changed, torch.stack([first, second]))
    assert not images.any()


def test_no_gradient_reaches_a_faulty_pixel_and_all_of_it_the_others():
    images = grey(3).requires_grad_()
    perturbed = HotPixels(count=7)(images, seed=1)
    perturbed.sum().backward()
    assert torch.equal(images.grad, (perturbed != 1).float())


def noise(std, *shape, seed=0):
    """What was added to grey images, in float64 so that grey swallows none of it."""
    images = torch.full(shape, 0.5, dtype=torch.float64)
    return GaussianNoise(std=std)(images, seed=seed) - images


def correlation(left, right):
    return torch.corrcoef(torch.stack([left.flatten(), right.flatten()]))[0, 1].abs()


@pytest.mark.parametrize("std", [0.001, 0.02, 0.08])
def test_noise_is_normal_with_mean_0_and_the_given_std(std):
    sample = noise(std, 20, 3, 25, 21).flatten()
    assert sample.mean().abs() < 4 * std / len(sample) ** 0.5
    assert sample.std() == pytest.approx(std, rel=4 / (2 * len(sample)) ** 0.5)
    assert stats.kstest(sample, stats.norm(0, std).cdf).pvalue > 0.001


@pytest.mark.parametrize("shape", [(4000, 1, 1, 1), (1333, 3, 1, 1), (800, 1, 1, 5)], ids=str)
def test_the_last_value_of_an_odd_number_is_as_normal_as_the_others(shape):
    last = noise(0.05, *shape).flatten(1)[:, -1]
    assert stats.kstest(last, stats.norm(0, 0.05).cdf).pvalue > 0.001


def test_values_beyond_the_range_are_clipped_to_it():
    black = GaussianNoise(std=0.1)(torch.zeros(20, 3, 20, 20), seed=1)
    white = GaussianNoise(std=0.1)(torch.ones(20, 3, 20, 20), seed=1)
    assert (black == 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert (white == 1).float().mean() == pytest.approx(0.5, abs=0.02)
    assert black.mean() == pytest.approx(0.1 * 0.39894, rel=0.03), "the mean of half a normal distribution"
    assert (black > 0).any()
    assert (white < 1).any()


def test_noise_of_a_thousandth_is_not_swallowed():
    images = torch.full((1, 1, 100, 100), 0.9)
    perturbed = GaussianNoise(std=0.001)(images, seed=1)
    assert (perturbed - images).std() == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["images", "channels", "rows", "columns"])
@pytest.mark.parametrize("what", [torch.Tensor.clone, torch.square], ids=["values", "squares"])
def test_neighbours_are_uncorrelated(axis, what):
    sample = what(noise(0.05, 30, 4, 20, 20))
    size = sample.shape[axis]
    left, right = sample.narrow(axis, 0, size - 1), sample.narrow(axis, 1, size - 1)
    assert correlation(left, right) < 4 / left.numel() ** 0.5


@pytest.mark.parametrize("what", [torch.Tensor.clone, torch.square], ids=["values", "squares"])
def test_the_two_halves_of_the_box_muller_transform_are_uncorrelated(what):
    sample = what(noise(0.05, 50, 1, 40, 20))
    assert correlation(sample[:, :, :20], sample[:, :, 20:]) < 4 / (sample.numel() / 2) ** 0.5


@pytest.mark.parametrize("seeds", [(0, 1), (1, 2), (7, 7 + 2**32)], ids=str)
def test_noise_of_different_seeds_is_uncorrelated(seeds):
    left, right = (noise(0.05, 30, 3, 20, 20, seed=seed) for seed in seeds)
    assert correlation(left, right) < 4 / left.numel() ** 0.5


def test_the_level_only_scales_the_noise():
    torch.testing.assert_close(noise(0.04, 2, 3, 5, 5), 2 * noise(0.02, 2, 3, 5, 5), rtol=1e-6, atol=1e-9)
