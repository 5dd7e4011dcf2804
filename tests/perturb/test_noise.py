"""Gaussian noise: its distribution, and that no value knows of another."""

import pytest
import torch
from scipy import stats

from robust.perturb import GaussianNoise


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
