"""How sure a model is, against how often it is right."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve
from torch import nn
from torch.nn import Flatten, Sequential
from torchmetrics.functional.classification import multiclass_calibration_error

from robust.data import ImageSet
from robust.measure import (
    Condition,
    aurc,
    confidence_bins,
    expected_calibration_error,
    measure,
    predict,
    rms_calibration_error,
)
from robust.measure.calibration import answered, detection, odds_counts

RANDOM = np.random.default_rng(0)


class Table(nn.Module):
    """The logits of a table: the row that an image's first value times 255 says."""

    def __init__(self, logits: torch.Tensor):
        super().__init__()
        self.logits = logits

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.logits[(values[:, 0] * 255).round().long()]


def test_who_is_right_as_often_as_sure_is_calibrated() -> None:
    confidence = RANDOM.uniform(0, 1, 200_000)
    right = RANDOM.uniform(0, 1, 200_000) < confidence
    assert rms_calibration_error(confidence, right, bin_size=2000) < 0.02
    assert rms_calibration_error(np.full(1000, 0.9), np.arange(1000) < 600) == pytest.approx(0.3, abs=0.02)


def test_bins_hold_neighbours_and_the_last_takes_what_is_left() -> None:
    confidence = np.array([0.9, 0.1, 0.5, 0.6, 0.8])
    right = np.array([True, False, False, True, True])
    bins = [([0.1, 0.5], [0, 0]), ([0.6, 0.8, 0.9], [1, 1, 1])]
    wanted = sum(len(c) / 5 * (np.mean(c) - np.mean(r)) ** 2 for c, r in bins) ** 0.5
    assert rms_calibration_error(confidence, right, bin_size=2) == pytest.approx(wanted)
    whole = abs(confidence.mean() - right.mean())
    assert rms_calibration_error(confidence, right, bin_size=100) == pytest.approx(whole)


def test_aurc_is_the_mean_share_of_wrong_answers_over_the_surest() -> None:
    confidence = RANDOM.permutation(200) / 200
    right = RANDOM.uniform(0, 1, 200) < confidence
    risks = [1 - right[confidence >= least].mean() for least in confidence]
    assert aurc(confidence, right) == pytest.approx(np.mean(risks))
    assert aurc(confidence, np.ones(200, bool)) == 0
    assert aurc(confidence, right) < aurc(1 - confidence, right)


@pytest.mark.parametrize("among", [None, torch.tensor([1, 2, 5])])
def test_brier_score_and_nll_are_those_of_scikit_learn(among: torch.Tensor | None) -> None:
    generator = torch.Generator().manual_seed(0)
    chosen = torch.arange(7) if among is None else among
    labels = chosen[torch.randint(len(chosen), (60,), generator=generator)]
    table = 4 * torch.randn(60, 7, generator=generator)
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 1, 2, 2)
    model = Sequential(Flatten(), Table(table))
    answers = predict(
        model, ImageSet(images, labels, tuple("abcdefg")), Condition(), 0, seed=0, batch_size=17, among=among
    )
    probabilities = table[:, chosen].double().softmax(1)
    known = {"y_true": labels.numpy(), "y_proba": probabilities.numpy(), "labels": chosen.numpy()}
    assert answers.brier_score.mean() == pytest.approx(brier_score_loss(**known, scale_by_half=False), rel=1e-5)
    assert answers.nll.mean() == pytest.approx(
        log_loss(known["y_true"], known["y_proba"], labels=known["labels"]), rel=1e-5
    )
    torch.testing.assert_close(answers.confidence, probabilities.max(1).values.float())


def test_the_expected_calibration_error_is_that_of_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (3 * torch.randn(2000, 7, generator=generator)).softmax(1)
    labels = torch.randint(7, (2000,), generator=generator)
    confidence, predicted = probabilities.max(1)
    bins = confidence_bins(confidence.numpy(), (predicted == labels).numpy())
    theirs = multiclass_calibration_error(probabilities, labels, num_classes=7, n_bins=15, norm="l1")
    assert expected_calibration_error(**bins) == pytest.approx(theirs.item(), abs=1e-5)
    assert bins["bin_counts"].sum() == 2000
    assert bins["bin_right"].sum() == (predicted == labels).sum()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300))
def test_both_are_shares(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    assert 0 <= rms_calibration_error(confidence, right) <= 1
    assert 0 <= aurc(confidence, right) <= 1
    assert 0 <= expected_calibration_error(**confidence_bins(confidence, right)) <= 1 + 1e-6
    if right.all():
        assert aurc(confidence, right) == 0


def test_every_test_of_a_model_says_how_sure_it_is() -> None:
    class Sure(nn.Module):
        """Logits that give the brightest channel a probability of three in four."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            brightest = images.mean((2, 3)).argmax(1)
            return nn.functional.one_hot(brightest, 2) * np.log(3.0)

    images = torch.zeros(40, 2, 4, 4, dtype=torch.uint8)
    labels = torch.arange(40) % 2
    images[torch.arange(40), labels] = 200
    labels[:10] = 1 - labels[:10]  # a quarter of them wrong
    row = measure(Sure(), ImageSet(images, labels, ("a", "b")), [Condition()]).rows.iloc[0]
    assert row["accuracy"] == 0.75
    assert row["expected_calibration_error"] == pytest.approx(0, abs=1e-6)
    assert row["rms_calibration_error"] == pytest.approx(0, abs=1e-6)
    assert row["brier_score"] == pytest.approx(0.75 * 2 / 16 + 0.25 * 18 / 16)
    assert row["nll"] == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-6)
    assert row["aurc"] == pytest.approx(0.25, abs=0.2), "it is as sure of all"


def test_detection_is_that_of_scikit_learn_on_every_confidence() -> None:
    within, beyond = (1 / (1 + np.exp(-RANDOM.normal(middle, 3, 4000))) for middle in (9, 5))  # most above 0.99
    auroc, fpr95 = detection(odds_counts(within), odds_counts(beyond))
    known, scores = np.repeat([1, 0], 4000), np.r_[within, beyond]
    assert auroc == pytest.approx(roc_auc_score(known, scores), abs=2e-3)
    wrong, right, _ = roc_curve(known, scores)
    assert fpr95 == pytest.approx(wrong[right >= 0.95][0], abs=0.02)
    assert np.isnan(detection(odds_counts(within), np.zeros(200, int))).all()
    ends = odds_counts(np.array([0.0, 1.0]))
    assert ends[[0, -1]].tolist() == [1, 1], "what is surely wrong, or surely right, is counted too"


def test_who_abstains_answers_for_the_surest_first() -> None:
    share, accuracy = answered(np.array([4, 0, 6]), np.array([1, 0, 6]))
    np.testing.assert_allclose(share, [0.6, 0.6, 1.0])
    np.testing.assert_allclose(accuracy, [1, 1, 0.7])
