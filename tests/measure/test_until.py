"""Tests that end when their answer is known: at the same image, and with the rows that say so."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from robust.data import ImageSet
from robust.measure import (
    Condition,
    as_whole,
    ended_early,
    in_looking_order,
    measure,
    measure_until,
    planned_tests,
    summarize,
)
from robust.measure.intervals import wilson
from robust.measure.until import looking_order
from robust.perturb import GaussianNoise

COUNT, TRIALS = 1200, 3
CONDITIONS = [Condition(), Condition(GaussianNoise(std=0.3))]


class Brightest(nn.Module):
    """Says which half of an image is brighter; with a `bias`, that one more often."""

    def __init__(self, bias: float = 0.0):
        super().__init__()
        self.bias = bias

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        halves = images.mean((1, 2)).unflatten(1, (2, -1)).mean(2)
        return halves + torch.tensor([0.0, self.bias])


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Sorted by class, as data sets often are; the second class is harder."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(COUNT) * 2 // COUNT
    pictures = torch.randint(40, 120, (COUNT, 1, 6, 6), dtype=torch.uint8, generator=generator)
    for label, more in ((0, 30), (1, 8)):
        pictures[labels == label, :, :, 3 * label : 3 * label + 3] += more
    return ImageSet(pictures, labels, ("left", "right"))


def until(model: nn.Module, images: ImageSet, width: float, **options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    tests = planned_tests(CONDITIONS, trials=TRIALS, seed=1)
    settings = {"batch_size": 100, "every_s": math.inf, **options}
    (measured,) = measure_until(model, images, tests, width=width, **settings)
    return measured.rows, measured.predictions


def test_a_condition_ends_when_it_is_known_well_enough_and_its_interval_holds_the_truth(images: ImageSet) -> None:
    whole = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1).rows
    rows, _ = until(Brightest(), images, 0.04)
    assert list(rows["until"]) == ["narrow", "narrow"]
    assert list(rows["trial"]) == [0, 0]
    assert (rows["n"] < [COUNT, TRIALS * COUNT]).all()
    for row in rows.itertuples():
        truth = whole.loc[whole["test_perturbation"] == row.test_perturbation, "accuracy"].mean()
        assert row.until_low <= truth <= row.until_high
        assert row.until_high - row.until_low <= 2 * 0.04
        assert (row.until_images, row.until_trials) == (COUNT, TRIALS if row.test_level else 1)


@pytest.mark.parametrize("batch_size", [1000, 250, 33])
def test_neither_batches_nor_parts_decide_when(images: ImageSet, batch_size: int) -> None:
    rows, predictions = until(Brightest(), images, 0.04)
    tests = planned_tests(CONDITIONS, trials=TRIALS, seed=1)
    parts = list(measure_until(Brightest(), images, tests, width=0.04, batch_size=batch_size, every_s=0))
    assert len(parts) == len(CONDITIONS)
    pd.testing.assert_frame_equal(pd.concat([part.rows for part in parts], ignore_index=True), rows)
    pd.testing.assert_frame_equal(pd.concat([part.predictions for part in parts], ignore_index=True), predictions)


def test_predictions_are_those_of_the_images_looked_at(images: ImageSet) -> None:
    """Also where a second trial was begun: each as in a whole test."""
    whole = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1).predictions
    rows, predictions = until(Brightest(), images, 0.02)
    for row, kept in zip(rows.itertuples(), predictions.itertuples(), strict=True):
        assert len(kept.images) == len(kept.label) == len(kept.predicted) == row.n
        assert (kept.label == kept.predicted).mean() == pytest.approx(row.accuracy)
        for trial, start in enumerate(range(0, row.n, COUNT)):
            mine = slice(start, start + COUNT)
            test = whole[(whole["test_perturbation"] == row.test_perturbation) & (whole["trial"] == trial)].iloc[0]
            np.testing.assert_array_equal(kept.predicted[mine], test["predicted"][kept.images[mine]])
    assert rows.loc[rows["test_perturbation"] == "noise", "n"].item() > COUNT, "more than one trial"


def test_where_it_is_never_known_so_well_tests_are_whole(images: ImageSet) -> None:
    rows, predictions = until(Brightest(), images, 1e-4)
    whole = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1)
    assert not ended_early(rows).any()
    assert predictions["images"].isna().all()
    pd.testing.assert_frame_equal(rows[list(whole.rows)], whole.rows)
    pd.testing.assert_frame_equal(predictions[list(whole.predictions)], whole.predictions)


def test_the_first_images_stand_for_all(images: ImageSet) -> None:
    order = looking_order(images.places, 0)
    assert sorted(order.tolist()) == list(range(COUNT))
    assert 0.4 < images.labels[order[:250]].float().mean() < 0.6
    assert not torch.equal(order, looking_order(images.places, 1))
    part = torch.arange(200, 900)
    of_part = part[looking_order(images.places[part], 0)]
    assert of_part.tolist() == [one for one in order.tolist() if 200 <= one < 900], "by the image's place"


def test_a_comparison_ends_when_it_is_decided(images: ImageSet) -> None:
    natural = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1)
    worse, _ = until(Brightest(-1.0), images, 1e-3, natural=in_looking_order(natural.predictions, images.places))
    assert list(worse["until"]) == ["below", "below"]
    bad = measure(Brightest(-1.0), images, CONDITIONS, trials=TRIALS, seed=1)
    better, _ = until(Brightest(), images, 1e-3, natural=in_looking_order(bad.predictions, images.places))
    assert list(better["until"]) == ["above", "above"]
    assert (better["n"] < COUNT).all()
    same, _ = until(Brightest(), images, 1e-3, natural=in_looking_order(natural.predictions, images.places))
    assert not ended_early(same).any()


def test_a_comparison_reads_what_ended_early_image_by_image(images: ImageSet) -> None:
    _, early = until(Brightest(), images, 0.02)
    whole = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1).predictions
    some, every = (in_looking_order(one, images.places) for one in (early, whole))
    assert {("noise", 0.3, 0, 1), ("noise", 0.3, 1, 1)} <= {*some} <= {*every}
    for test, right in some.items():
        np.testing.assert_array_equal(right, every[test][: len(right)])


def test_what_ended_early_is_summed_up_with_what_was_known(images: ImageSet) -> None:
    rows, _ = until(Brightest(), images, 0.02)
    summary = summarize(rows.assign(run="a run"))
    for line, row in zip(summary.itertuples(), rows.itertuples(), strict=True):
        assert (line.mean, line.until, line.n) == (row.accuracy, "narrow", min(row.n, COUNT))
        low, high = wilson(row.accuracy, line.n)
        assert (line.low, line.high) == (min(low, row.until_low), max(high, row.until_high))


def test_it_stands_for_a_whole_test(images: ImageSet) -> None:
    rows, _ = until(Brightest(), images, 0.04)
    whole = measure(Brightest(), images, CONDITIONS, trials=TRIALS, seed=1).rows
    stands = as_whole(rows)
    about = ["test_perturbation", "test_level", "trial", "evaluation_seed", "n"]
    pd.testing.assert_frame_equal(stands[about], whole[about])
    assert as_whole(whole) is whole
