"""Tolerated levels: Finney's data, what simulated models tolerate, and bounds."""

import os

import numpy as np
import pytest
from scipy.special import ndtr

from robust.measure.intervals import resampling_weights
from robust.measure.tolerance import fitted, median_limit, tolerated, tolerated_ratio

LEVELS = [0.5, 1, 2, 4, 8, 16]
SIMULATED = 2000 if os.environ.get("ROBUST_CAMPAIGN") else 200


def simulated(middle: float, spread: float, n: int, seed: int, *, natural: float = 0.95) -> tuple[np.ndarray, ...]:
    """Images, each recognised until a level of its own; those that are not recognised at all; a guess of a tenth."""
    random = np.random.default_rng(seed)
    known = random.random(n) < (natural - 0.1) / 0.9
    limits = np.where(known, middle * np.exp(spread * random.standard_normal(n)), 0)
    lucky = random.random((len(LEVELS) + 1, n)) < 0.1
    correct = (limits > np.array([0, *LEVELS])[:, None]) | lucky
    return correct[1:].astype(float), correct[0].astype(float)


def test_rotenone_kills_half_of_the_aphids_at_finneys_dose() -> None:
    doses, killed, insects = [2.6, 3.8, 5.1, 7.7, 10.2], [6, 16, 24, 42, 44], [50, 48, 46, 49, 50]
    living = 1 - np.array(killed) / insects
    curve = fitted(doses, living[None], np.ones(1), guess=0, counts=insects)
    assert float(np.exp(curve.crossing(0.5)[0])) == pytest.approx(4.85, abs=0.02)
    random = np.random.default_rng(0)
    again = random.binomial(insects, living, size=(2000, 5)) / insects
    ends = np.exp(
        np.quantile(fitted(doses, again, np.ones(2000), guess=0, counts=insects).crossing(0.5), [0.025, 0.975])
    )
    assert 4.3 < ends[0] < 4.85 < ends[1] < 5.4


def test_of_independent_counts_levels_and_intervals_are_those_of_robustmargin() -> None:
    """Another's package, which fits the same curve by another way, and has the likelihood's interval."""
    import robustmargin

    axis = robustmargin.Axis(name="level", unit="1", scale="log")
    half = robustmargin.Definition(kind="absolute", value=0.61)
    for seed, guess in ((0, 0.1), (1, 0.02)):
        random = np.random.default_rng(seed)
        counts = random.binomial(300, guess + (0.95 - guess) * ndtr(-(np.log(LEVELS) - np.log(3)) / 0.8))
        observed = robustmargin.Observations(
            axis=axis,
            outcome="recognised",
            direction="decreasing",
            severity=tuple(map(float, LEVELS)),
            successes=tuple(counts.tolist()),
            trials=(300,) * len(LEVELS),
        )
        fit = robustmargin.fit_dose_response(observed, model="binomial", link="probit", upper=0.95, lower=guess)
        theirs = robustmargin.threshold(fit, definition=half, interval_method="profile", level=0.95)
        ours = fitted(LEVELS, counts[None] / 300, np.array([0.95]), guess=guess)
        assert np.exp(ours.crossing(0.61)[0]) == pytest.approx(theirs.value, rel=1e-5)
        again = random.binomial(300, counts / 300, size=(2000, len(LEVELS))) / 300
        levels = fitted(LEVELS, again, np.full(2000, 0.95), guess=guess).crossing(0.61)
        ends = np.exp(np.quantile(levels, [0.025, 0.975]))
        assert ends == pytest.approx([theirs.lo, theirs.hi], rel=0.02)


def test_the_median_image_is_that_by_which_half_have_fallen() -> None:
    weights, levels = resampling_weights(1001, resamples=400, seed=0), [1.0, 2.0, 4.0, 8.0]
    falls = np.repeat([0, 1, 2, 3, 5], [100, 300, 200, 201, 200])
    found, again = median_limit(levels, falls, weights)
    assert (found.level, again.shape) == (2.0, (400,))
    assert 1.0 <= found.low <= 2.0 <= found.high <= 4.0
    never, _ = median_limit(levels, np.full(1001, 5), weights)
    assert (never.level, never.low, never.high) == pytest.approx((8, 8, 8)), "a bound"
    wrong, _ = median_limit([8.0, 4.0], np.zeros(1001, dtype=int), weights)
    assert wrong.level == pytest.approx(8), "where less is worse, the first level is the greatest"


def test_what_a_model_tolerates_lies_in_its_interval_as_often_as_said() -> None:
    weights = resampling_weights(300, resamples=400, seed=0)
    truth = 3 * np.exp(0.8 * -0.2533471)  # of six tenths of the images above a guess
    target = 0.1 + 0.6 * 0.85
    inside = 0
    for seed in range(SIMULATED):
        correct, natural = simulated(3, 0.8, 300, seed)
        found, _ = tolerated(LEVELS, correct, natural, target, guess=0.1, weights=weights)
        inside += found.low <= truth <= found.high
    assert inside / SIMULATED >= (0.94 if SIMULATED == 2000 else 0.9)


def test_the_ratio_of_two_models_is_paired_over_their_images() -> None:
    weights = resampling_weights(2000, resamples=1000, seed=0)
    random = np.random.default_rng(0)
    shared = random.standard_normal(2000)  # images are hard for both
    both = []
    for middle in (2.0, 4.6):
        limits = middle * np.exp(0.7 * (0.9 * shared + 0.436 * random.standard_normal(2000)))
        correct = (limits > np.array(LEVELS)[:, None]).astype(float)
        both.append(tolerated(LEVELS, correct, np.ones(2000), 0.7, guess=0, weights=weights))
    ratio, low, high = tolerated_ratio(both[1:], both[:1])
    assert low < 2.3 < high
    assert ratio == pytest.approx(2.3, rel=0.08)
    (one, _), (two, _) = both
    unpaired = np.hypot(np.log(one.high / one.low), np.log(two.high / two.low))
    assert np.log(high / low) < 0.8 * unpaired


def test_a_level_that_is_never_crossed_is_a_bound() -> None:
    weights = resampling_weights(500, resamples=300, seed=0)
    strong, natural = simulated(1000, 0.5, 500, 0)
    found, _ = tolerated(LEVELS, strong, natural, 0.5, guess=0.1, weights=weights)
    assert (found.level, found.low, found.high) == pytest.approx((16, 16, 16))
    weak, natural = simulated(0.01, 0.5, 500, 0)
    found, _ = tolerated(LEVELS, weak, natural, 0.5, guess=0.1, weights=weights)
    assert (found.level, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    found, _ = tolerated(LEVELS, strong, natural, 0.99, guess=0.1, weights=weights)
    assert found.level == pytest.approx(0.5), "not even natural images reach it"


def test_of_levels_where_less_is_worse_it_is_the_least() -> None:
    weights = resampling_weights(1000, resamples=300, seed=0)
    correct, natural = simulated(3, 0.8, 1000, 1)
    found, _ = tolerated(LEVELS, correct[::-1], natural, 0.5, guess=0.1, weights=weights, more_is_worse=False)
    straight, _ = tolerated(LEVELS, correct, natural, 0.5, guess=0.1, weights=weights)
    assert found.level == pytest.approx(0.5 * 16 / straight.level, rel=1e-6)
    assert found.low < found.level < found.high


def test_a_curve_that_does_not_fit_is_told() -> None:
    weights = resampling_weights(400, resamples=100, seed=0)
    correct, natural = simulated(3, 0.8, 400, 2)
    assert tolerated(LEVELS, correct, natural, 0.5, guess=0.1, weights=weights)[0].misfit < 0.05
    correct[[1, 4]] = correct[[4, 1]]  # rises in between
    assert tolerated(LEVELS, correct, natural, 0.5, guess=0.1, weights=weights)[0].misfit > 0.2


@pytest.mark.parametrize("levels", [[1, 2], [1, 1, 2], [0, 1, 2]])
def test_levels_that_make_no_curve_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="`levels` must be"):
        fitted(levels, np.full((1, len(levels)), 0.5), np.ones(1), guess=0)
