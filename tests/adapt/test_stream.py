"""The order in which pictures come to a network that adapts."""

import torch

from robust.adapt import Stream

LABELS = torch.arange(10).repeat(100)


def variety(order: torch.Tensor) -> float:
    """How many classes a batch of 20 has, on average."""
    return sum(len(batch.unique()) for batch in LABELS[order].split(20)) / 50


def test_every_image_comes_once_in_an_order_of_the_seed_and_the_trial() -> None:
    for order in ("shuffled", "correlated"):
        stream = Stream(order=order)
        first = stream.places(LABELS, seed=0, trial=0)
        assert torch.equal(first.sort().values, torch.arange(1000))
        assert torch.equal(first, stream.places(LABELS, seed=0, trial=0))
        for other in (stream.places(LABELS, seed=1, trial=0), stream.places(LABELS, seed=0, trial=1)):
            assert not torch.equal(first, other)
        assert len(stream.places(LABELS[:0], seed=0, trial=0)) == 0


def test_correlated_means_that_like_follows_like() -> None:
    shuffled, correlated = (Stream(order=order).places(LABELS, seed=0, trial=0) for order in ("shuffled", "correlated"))
    assert variety(shuffled) > 8
    assert 1.5 < variety(correlated) < 6
