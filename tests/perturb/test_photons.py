"""Photons counted: as often as Poisson's distribution says, as SciPy has it."""

import numpy as np
import pytest
import torch
from scipy import stats

from robust.perturb import ImageRandom
from robust.perturb.photons import STEPS, counted, counted_and_read

_SHARES = 1 << 12  # of the 1 << 16 that a word tells apart


def every_word(places: int) -> torch.Tensor:
    """A word for each place and, of each, for evenly spaced shares."""
    shares = torch.arange(_SHARES) * ((1 << 16) // _SHARES) + (1 << 16) // _SHARES // 2
    words = (torch.arange(places)[:, None] << 7) + (shares << 16)
    return (words + (1 << 31) & (1 << 32) - 1).sub(1 << 31).int().flatten()


@pytest.mark.parametrize("photons", [0.5, 3, 12, 50, 250, 700])
def test_every_count_is_as_likely_as_it_should_be(photons: float) -> None:
    words = every_word(512)
    for value in (0, 1 / 255, 3 / STEPS, 0.2, 0.5, 1):
        counts = counted(torch.full(words.shape, value), photons, words).numpy()
        found = np.bincount(counts.astype(int)) / len(counts)
        wanted = stats.poisson.pmf(np.arange(len(found)), round(value * STEPS) / STEPS * photons)
        assert np.abs(found - wanted).sum() + 1 - wanted.sum() < 1e-3


def test_values_between_two_steps_keep_their_mean() -> None:
    words = ImageRandom(0, torch.arange(4)).words(250_000)
    for value in (0.25 / STEPS, 0.3 + 0.5 / STEPS, 1 - 0.75 / STEPS):
        counts = counted(torch.full(words.shape, value), 100, words).double()
        error = (value * 100 / counts.numel()) ** 0.5
        assert float(counts.mean()) == pytest.approx(value * 100, abs=4 * error)
        share = value * STEPS % 1
        spread = value * 100 + (100 / STEPS) ** 2 * share * (1 - share)  # of the steps, beside that of the counts
        assert float(counts.var()) == pytest.approx(spread, rel=0.02)


def test_pictures_in_eight_bits_are_counted_as_they_are() -> None:
    values = (torch.arange(256) / 255).expand(128, -1)
    words = torch.arange(128, dtype=torch.int32)[:, None] + (12345 << 7)
    counts = counted(values, 200, words.expand(-1, 256).contiguous())
    assert torch.equal(counts, counts[:1].expand_as(counts)), "the bits that choose between steps say nothing here"


@pytest.mark.parametrize("photons", [1e-3, 3, 1400])
def test_the_rarest_words_give_counts(photons: float) -> None:
    words = torch.tensor([0, -1, 2**31 - 1, -(2**31)], dtype=torch.int32)
    for value in (0.0, 1e-7, 0.999999, 1.0):
        counts = counted(torch.full((4,), value), photons, words)
        assert counts.isfinite().all()
        assert (counts >= 0).all()
    assert not counted(torch.zeros(4), photons, words & ~127).any(), "black has no photons"


@pytest.mark.parametrize(("variance", "apart"), [(1.0, 0.004), (2.25, 0.0015), (9.0, 0.0005)])
def test_counts_that_are_read_with_noise_are_as_likely_as_the_sum(variance: float, apart: float) -> None:
    chances = (np.arange(5000) + 0.5) / 5000
    normal = torch.from_numpy(stats.norm.ppf(chances))
    for mean in (0.0, 0.1, 1.0, 4.0, 100.0):
        seen = counted_and_read(torch.full_like(normal, mean), variance, normal).sort().values.numpy()
        photons = np.arange(200)
        below = stats.norm.cdf((seen[:, None] - photons) / variance**0.5) @ stats.poisson.pmf(photons, mean)
        assert np.abs(below - chances).max() < apart
        assert seen.mean() == pytest.approx(mean, abs=1e-3)
        assert seen.var() == pytest.approx(mean + variance, rel=2e-3)


def test_black_and_a_noiseless_reading_have_a_gradient() -> None:
    means = torch.tensor([0.0, 1e-6, 0.01, 1.0, 1e6], requires_grad=True)
    counted_and_read(means, 0.0, torch.tensor(-3.0)).sum().backward()
    assert means.grad is not None
    assert means.grad.isfinite().all()


@pytest.mark.parametrize("photons", [0, -1, 1401, float("nan")])
def test_other_numbers_of_photons_are_refused(photons: float) -> None:
    with pytest.raises(ValueError, match="`photons` must be above 0, and at most 1400"):
        counted(torch.zeros(1), photons, torch.zeros(1, dtype=torch.int32))
