"""Images that label themselves, and images of which few are labelled."""

import torch

from robust.data.images import ImageSet, Splits
from robust.perturb.random import ImageRandom, key

_TURNS = ("0°", "90°", "180°", "270°")


def turned(splits: Splits) -> Splits:
    """The same images, to be told which way up they are: classes are turns, counter-clockwise (Gidaris et al. 2018,
    arXiv 1803.07728). Test images stand there in all four; training images upright, for they are turned when they are
    learnt. Raises ValueError for pictures that are not square.
    """
    _, height, width = splits.train.shape
    if height != width:
        raise ValueError(f"`task=rotation` needs square pictures, to turn them by a quarter; got {height} x {width}.")
    train = ImageSet(splits.train.images, torch.zeros_like(splits.train.labels), _TURNS)
    images = torch.cat([splits.test.images.rot90(turn, (2, 3)) for turn in range(len(_TURNS))])
    labels = torch.arange(len(_TURNS)).repeat_interleave(len(splits.test))
    return Splits(train, ImageSet(images, labels, _TURNS), splits.digest)


def labelled(splits: Splits, share: float, *, seed: int) -> Splits:
    """The same test images, and this share of the training images of each class, at least one, drawn by the seed; a
    greater share holds the smaller one. Raises ValueError for a share that is none."""
    if isinstance(share, bool) or not 0 < share <= 1:
        raise ValueError(f"`data.labels` must be above 0 and at most 1, a share of the training images; got {share}.")
    train = splits.train
    order = ImageRandom(key("labels", seed), torch.arange(len(train))).uniform().argsort(stable=True)
    chosen = []
    for label in train.labels.unique():
        mine = order[train.labels[order] == label]
        chosen.append(mine[: max(1, round(share * len(mine)))])
    return Splits(train[torch.cat(chosen).sort().values], splits.test, splits.digest, splits.wnids)
