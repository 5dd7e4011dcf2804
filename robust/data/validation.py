"""Parts of a data set: training images that are set aside, fewer test images."""

from dataclasses import replace

import torch

from robust.data.images import Splits
from robust.errors import check
from robust.perturb.random import ImageRandom, key


def hold_out(splits: Splits, share: float, *, seed: int) -> Splits:
    """The same images, of which this `share` of the training images of each class, drawn by the seed, is set aside as
    `validation`: at least one of each class that has two, and never all of it. Raises ValueError where no class has
    two, and for more than memory holds."""
    train = splits.train
    order = ImageRandom(key("validation", seed), train.places).uniform().argsort(stable=True)
    held = torch.zeros(len(train), dtype=torch.bool)
    for label in train.labels.unique():
        mine = order[train.labels[order] == label]
        held[mine[: min(max(1, round(share * len(mine))), len(mine) - 1)]] = True
    if not held.any():
        raise ValueError(
            f"`data.validation` must be left out where no class has two training images; got {share}. There is nothing "
            "to set aside."
        )
    trained, aside = ((held == whether).nonzero()[:, 0] for whether in (False, True))
    return replace(splits, train=train[trained], validation=train[aside])


def fewer_tests(splits: Splits, per_class: int) -> Splits:
    """The same images, to test on only so many of each class, always the same ones. Raises ValueError for more than
    there are of one."""
    test = splits.test
    most = int(test.labels.unique(return_counts=True)[1].min())
    check("data.test_per_class", per_class, f"at most {most}, all there are of a class", per_class <= most)
    order = ImageRandom(key("test images"), test.places).uniform().argsort(stable=True)
    rows = [order[test.labels[order] == label][:per_class] for label in test.labels.unique()]
    return replace(splits, test=test[torch.cat(rows).sort().values])
