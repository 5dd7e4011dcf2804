"""Attacks on a test set: who is attacked, and what is left to do."""

import pandas as pd
import pytest
import torch

from robust.attack import Assault
from robust.data import NONE, ImageSet


@pytest.fixture
def images():
    labels = torch.arange(3).repeat(4)
    return ImageSet(torch.zeros(12, 1, 4, 4, dtype=torch.uint8), labels, ("cat", "dog", NONE))


def known(assault, images, thresholds):
    """What is written when these pairs were attacked."""
    rows = [
        (label, target, number, threshold, assault.name, assault.step, assault.max_steps)
        for label, target in assault.missing(images, None)
        for number in assault.chosen(images, label).tolist()
        for threshold in thresholds
    ]
    return pd.DataFrame(rows, columns=["label", "target", "image", "threshold", "attack", "step", "max_steps"])


def test_every_object_is_led_to_every_other_class(images):
    assert Assault().missing(images, None) == [(0, 1), (0, 2), (1, 0), (1, 2)]
    assert Assault(images=3).chosen(images, 1).tolist() == [1, 4, 7]


@pytest.mark.parametrize("thresholds", [[0.2, 0.45, 0.7], [float("nan")]])
def test_what_was_done_is_not_done_again(images, thresholds):
    done = known(Assault(images=3), images, thresholds)
    assert Assault(images=3).missing(images, done) == []
    assert Assault(images=2).missing(images, done) == []
    assert len(Assault(images=4).missing(images, done)) == 4
    assert len(Assault(images=3, max_steps=7).missing(images, done)) == 4
    assert len(Assault(images=3, step=0.5).missing(images, done)) == 4
    assert Assault(images=3).missing(images, done[done["target"] != 2]) == [(0, 2), (1, 2)]


def test_another_threshold_is_judged_too(images):
    done = known(Assault(), images, [0.2, 0.45, 0.7])
    assert Assault(thresholds=[0.45]).missing(images, done) == []
    assert len(Assault(thresholds=[0.3, 0.45]).missing(images, done)) == 4
