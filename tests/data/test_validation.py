"""Validation images: some of each class, drawn by the seed, and none of them trained on."""

from collections.abc import Callable

import pytest
import torch

from robust.data import ImageSet, Splits, fewer_tests, hold_out
from robust.experiment.experiment import Experiment


def make_splits(*counts: int) -> Splits:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = torch.arange(len(labels)).byte()[:, None, None, None].expand(-1, 1, 2, 2)
    split = ImageSet(images, labels, tuple(str(label) for label in range(len(counts))))
    return Splits(split, split)


def test_a_share_of_each_class_is_set_aside_and_something_of_each_is_left() -> None:
    found = hold_out(make_splits(10, 30, 1, 2), 0.2, seed=0)
    assert found.validation is not None
    assert found.validation.labels.bincount(minlength=4).tolist() == [2, 6, 0, 1]
    assert sorted([*found.train.places.tolist(), *found.validation.places.tolist()]) == list(range(43))
    assert torch.equal(found.train.images[:, 0, 0, 0], found.train.places.byte()), "places are those in the data set"


def test_the_seed_draws_them() -> None:
    one, again, other = (hold_out(make_splits(50, 50), 0.1, seed=seed).validation for seed in (1, 1, 2))
    assert one is not None
    assert again is not None
    assert other is not None
    assert torch.equal(one.places, again.places)
    assert not torch.equal(one.places, other.places)


def test_tests_on_fewer_images_are_on_the_same_ones_perturbed_as_among_all(make_run: Callable[..., Experiment]) -> None:
    splits = make_splits(5, 30, 4)
    found = fewer_tests(splits, 3)
    assert found.train is splits.train
    assert found.test.labels.bincount().tolist() == [3, 3, 3]
    assert torch.equal(found.test.images[:, 0, 0, 0], found.test.places.byte()), "places are those in the data set"
    assert found.test.places.tolist() != [0, 1, 2, 5, 6, 7, 35, 36, 37], "drawn"
    runs = [make_run("technique=natural", "data.test_per_class=4", f"seed={seed}") for seed in (0, 1)]
    assert torch.equal(runs[0].splits.test.places, runs[1].splits.test.places)
    assert len(runs[0].splits.test) == 40
    assert runs[0].folder != make_run("technique=natural").folder
    with pytest.raises(ValueError, match=r"`data.test_per_class` must be at most 4, all there are of a class; got 5"):
        fewer_tests(splits, 5)


def test_of_classes_of_one_image_nothing_can_be_set_aside() -> None:
    with pytest.raises(ValueError, match=r"`data.validation` must be left out where no class has two .*; got 0.5"):
        hold_out(make_splits(1, 1), 0.5, seed=0)


@pytest.mark.parametrize("more", [[], ["data.labels=0.5"], ["data.shuffle=true", "augment=mixup"]])
def test_what_is_set_aside_is_neither_trained_on_nor_standardised_by(
    make_run: Callable[..., Experiment], more: list[str]
) -> None:
    run = make_run("technique=natural", "data.validation=0.2", "seed=4", *more)
    validation, data = run.splits.validation, run.build_data()
    assert validation is not None
    aside = set(validation.places.tolist())
    assert 250 < len(aside) < 270
    seen: set[int] = set()
    for epoch in range(2):
        data.start_epoch(epoch, 0.0)
        for batch in data.train_dataloader():
            seen |= {*batch["indices"].tolist(), *batch.get("partner", batch)["indices"].tolist()}
    assert not seen & aside
    assert sum(map(len, data.training_images())) == len(run.training_images)
    assert not aside & set(run.training_images.places.tolist())


def test_the_natural_run_that_it_is_compared_with_has_the_same_set_aside(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=constant", "data.validation=0.1", "seed=2")
    assert run.reference is not None
    ours, theirs = run.splits.validation, run.reference.splits.validation
    assert ours is not None
    assert theirs is not None
    assert torch.equal(ours.places, theirs.places)
