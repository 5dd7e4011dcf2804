"""Every interval against an independent one, and against the share of cases in which it must hold the truth."""

import numpy as np
import pytest
from scipy import stats

from robust.measure.intervals import (
    clopper_pearson_low,
    normal,
    paired,
    percentile,
    resampled_means,
    resampled_medians,
    resampling_weights,
    student,
    student_half,
    wilson,
)


@pytest.mark.parametrize("n", [1, 7, 500, 10_000])
def test_wilsons_is_scipys(n: int) -> None:
    for count in {0, 1, n // 3, n // 2, n - 1, n}:
        wanted = stats.binomtest(count, n).proportion_ci(method="wilson")
        assert wilson(count / n, n) == pytest.approx((wanted.low, wanted.high), abs=1e-15)


def test_the_normal_one_is_scipys() -> None:
    assert normal(2.0, 0.25) == pytest.approx(stats.norm.interval(0.95, 2.0, 0.5), abs=1e-14)


@pytest.mark.parametrize("n", [2, 3, 30])
def test_students_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    middle, low, high = student(list(values))
    assert middle == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values)), abs=1e-13)
    halves = student_half(np.full(2, values.std(ddof=1)), np.array([n, 1]))
    assert halves[0] == pytest.approx(high - middle)
    assert np.isnan(halves[1])


def test_one_value_or_an_unknown_one_has_no_interval() -> None:
    assert student([0.5])[0] == 0.5
    assert np.isnan(student([0.5])[1:]).all()
    assert np.isnan(student([0.5, np.nan])).all()


def test_resampled_medians_are_those_of_a_loop() -> None:
    """Each image with all of its values, of which it may have none, one or more, in any order."""
    random = np.random.default_rng(0)
    images = random.permutation(np.repeat(np.arange(0, 60, 2), random.integers(1, 6, 30)))
    values = random.integers(0, 20, len(images)).astype(float)  # many are equal
    groups = [values[images == image] for image in np.unique(images)]
    draws = np.random.default_rng(3).integers(30, size=(600, 30))
    wanted = [np.median(np.concatenate([groups[place] for place in draw])) for draw in draws]
    np.testing.assert_array_equal(resampled_medians(values, images, resamples=600, seed=3), wanted)
    assert np.isnan(resampled_medians([], [], resamples=5)).all()


def test_a_median_of_single_values_has_scipys_bootstrap() -> None:
    values = np.random.default_rng(1).lognormal(size=25)
    random = np.random.default_rng(0)
    wanted = stats.bootstrap((values,), np.median, method="percentile", rng=random).confidence_interval
    found = percentile(resampled_medians(values, np.arange(25), resamples=9999))
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_resampled_means_spread_as_means_do() -> None:
    values = np.random.default_rng(0).random((2, 300)) < np.array([[0.3], [0.9]])
    found = resampled_means(values.astype(float), resampling_weights(300, resamples=3001, seed=0))
    assert found.shape == (2, 3001)
    np.testing.assert_allclose(found.mean(1), values.mean(1), atol=0.003)
    np.testing.assert_allclose(found.std(1), values.std(1) / np.sqrt(300), rtol=0.05)
    whole = resampled_means(np.ones((1, 300)), resampling_weights(300, resamples=7, seed=1))
    np.testing.assert_allclose(whole, 1, rtol=1e-6)


def test_paired_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Three seeds; seeds and images both matter."""
    random = np.random.default_rng(0)
    weights = resampling_weights(200, resamples=250, seed=0)
    held = 0
    for _ in range(300):
        seeds = random.normal(0, 0.03, (3, 1))
        found = 0.02 + seeds + random.normal(0, 0.2, (1, 200)) + random.normal(0, 0.2, (3, 200))
        middle, low, high = paired(found.mean(axis=1), resampled_means(found, weights).mean(axis=0))
        assert low < middle < high
        held += low <= 0.02 <= high
    assert 0.93 <= held / 300 <= 0.995


@pytest.mark.parametrize("n", [1, 10, 1000, 100_000])
@pytest.mark.parametrize("alpha", [0.2, 0.001])
def test_the_least_share_is_scipys(n: int, alpha: float) -> None:
    for count in {0, 1, n // 2, n - 1, n}:
        theirs = stats.binomtest(count, n).proportion_ci(1 - 2 * alpha, "exact").low
        assert clopper_pearson_low(count, n, alpha) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert clopper_pearson_low(n, n, alpha) == pytest.approx(alpha ** (1 / n))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_the_least_share_is_above_the_true_one_no_more_often_than_is_said(share: float) -> None:
    n, alpha, draws = 200, 0.05, 4000
    counts = np.random.default_rng(0).binomial(n, share, size=draws)
    missed = np.mean([clopper_pearson_low(int(count), n, alpha) > share for count in counts])
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / draws)
