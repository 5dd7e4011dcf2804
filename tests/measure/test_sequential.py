"""Anytime-valid intervals: exact ends, and errors as seldom as is said."""

import os

import numpy as np
import pytest

from robust.errors import ParameterError
from robust.measure.sequential import LOOK, decided, is_narrow, known_interval, log_evidence

SIMULATED = 10_000
OF = 4 * LOOK if not os.environ.get("ROBUST_CAMPAIGN") else 40 * LOOK
BOUND = np.log(20)


@pytest.mark.parametrize("width", [0.005, 0.02, 0.1])
def test_an_interval_holds_what_the_evidence_does_not_exclude_and_no_more(width: float) -> None:
    random = np.random.default_rng(0)
    for share in (0.001, 0.1, 0.5, 0.93, 1.0):
        of = int(random.integers(300, 3000))
        seen = int(random.integers(1, of))
        right = int(random.hypergeometric(round(share * of), of - round(share * of), seen))
        held = np.flatnonzero(log_evidence(np.arange(of + 1), right, seen, of, width=width) < BOUND)
        low, high = known_interval(right, seen, of, width=width)
        assert (low, high) == (held[0] / of, held[-1] / of)
        assert len(held) == held[-1] - held[0] + 1
        assert is_narrow(right, seen, of, width=width) == (high - low <= 2 * width)


def test_the_evidence_is_what_the_images_left_say_by_hand() -> None:
    """Of three images two are right; one was seen, and was. It is right in two cases of three."""
    (found,) = log_evidence(np.array([2]), 1, 1, 3, width=0.4)
    share = 2.5 / 4
    assert np.exp(found) == pytest.approx(share / (2 / 3))


def test_all_images_say_the_truth_alone() -> None:
    assert known_interval(37, 50, 50, width=0.01) == (0.74, 0.74)
    low, high = known_interval(0, 0, 50, width=0.01)
    assert (low, high) == (0, 1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("width", [0.01, 0.05])
def test_no_look_misses_the_truth_more_often_than_said(share: float, width: float) -> None:
    random = np.random.default_rng(0)
    truth = random.binomial(OF, share, SIMULATED)
    right, missed = np.zeros(SIMULATED, int), np.zeros(SIMULATED, bool)
    for seen in range(0, OF, LOOK):
        right += random.hypergeometric(truth - right, OF - seen - (truth - right), LOOK)
        missed |= log_evidence(truth, right, seen + LOOK, OF, width=width) >= BOUND
    assert missed.mean() <= 0.05


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
def test_nor_do_trials_one_after_the_other(alike: float) -> None:
    """`alike`: how much the trials of an image are."""
    random, images, trials, missed = np.random.default_rng(0), 2 * LOOK, 4, 0
    looks = np.arange(LOOK, images * trials, LOOK)
    simulated = SIMULATED if os.environ.get("ROBUST_CAMPAIGN") else 1000
    for _ in range(simulated):
        own = np.where(random.random(images) < alike, random.random(images) < 0.8, 0.8)
        right = (random.random((trials, images)) < own).ravel()
        known = log_evidence(np.full(len(looks), right.sum()), right.cumsum()[looks - 1], looks, right.size, width=0.02)
        missed += (known >= BOUND).any()
    assert missed / simulated <= 0.05


@pytest.mark.parametrize(("first", "second"), [(150, 150), (148, 152), (130, 170)])
def test_two_models_are_decided_wrongly_at_most_as_often_as_said(first: int, second: int) -> None:
    """Looked at after each image that only one of them recognised, 10,000 times."""
    random = np.random.default_rng(0)
    signs = random.permuted(np.tile(np.repeat([1, -1], [first, second]), (SIMULATED, 1)), axis=1)
    lead = np.cumsum(signs, axis=1) - signs
    bets = np.maximum(lead, 0) / (np.arange(signs.shape[1]) + 2)
    ahead = np.log1p(bets * signs).cumsum(axis=1)
    wrong = (ahead >= np.log(40)).any(axis=1)
    assert wrong.mean() <= (0.05 if first < second else 0.025)
    for one in range(0, SIMULATED, 500):
        until = int(random.integers(1, signs.shape[1]))
        assert (decided(signs[one, :until]) == 1) == (ahead[one, until - 1] >= np.log(40))


def test_a_clear_lead_is_decided_soon_for_either_side() -> None:
    random = np.random.default_rng(0)
    signs = np.where(random.random(200) < 0.8, 1, -1)
    assert (decided(signs), decided(-signs), decided(signs[:0]), decided(signs[:3])) == (1, -1, 0, 0)


def test_numbers_that_no_test_has_are_refused() -> None:
    for right, seen, of, width, name in ((3, 2, 9, 0.1, "right"), (1, 9, 8, 0.1, "seen"), (1, 2, 9, 0.5, "width")):
        with pytest.raises(ParameterError, match=f"`{name}` must be"):
            known_interval(right, seen, of, width=width)
