"""Data sets of self-supervised tasks, and data sets of which few labels are known."""

from dataclasses import replace

import torch
from torch import Tensor

from robust.data.images import ImageSet, Splits
from robust.perturb.random import ImageRandom, key
from robust.values.numbers import is_number, is_whole

_TURNS = ("0°", "90°", "180°", "270°")
#: where the other patch lies, row by row
_PLACES = ("above left", "above", "above right", "left", "right", "below left", "below", "below right")
_LEAST = 6  # pixels of a patch's side
_BLOCK = 8  # pixels of a block of JPEG
_GREY = (0.299, 0.587, 0.114)
_AT_ONCE = 1000


def rotation_dataset(splits: Splits) -> Splits:
    """The same images, to predict their rotation: classes are quarters, counter-clockwise (Gidaris et al. 2018, arXiv
    1803.07728). Test images stand there in all four; training images upright, for a step rotates them itself. Raises
    ValueError for pictures that are not square."""
    _, height, width = splits.train.shape
    if height != width:
        raise ValueError(f"`task=rotation` needs square pictures, to turn them by a quarter; got {height} x {width}.")
    train = ImageSet(splits.train.images, torch.zeros_like(splits.train.labels), _TURNS)
    images = torch.cat([splits.test.images.rot90(turn, (2, 3)) for turn in range(len(_TURNS))])
    labels = torch.arange(len(_TURNS)).repeat_interleave(len(splits.test))
    return Splits(train, ImageSet(images, labels, _TURNS), splits.digest)


def patch_pairs(splits: Splits, *, gap: int = 1, jitter: int = 1) -> Splits:
    """Of each image the patch in its middle and one of the eight around it, side by side, to be told which (Doersch et
    al. 2015, arXiv 1505.05192): eight pairs an image, of shape (channels, side, 2 side), one after the other.

    Between any two patches of an image lie at least `gap` pixels, and each is shifted by up to `jitter` pixels, both
    ways drawn for it, so that edges give nothing away; they are grey, since the colours of a lens's edge would; and
    they lie a multiple of 8 pixels apart before they are shifted, since the blocks of JPEG would: where they meet is
    then the same in all nine. Raises ValueError where that leaves patches of fewer than 6 pixels a side.
    """
    for name, value in (("gap", gap), ("jitter", jitter)):
        if not is_whole(value, 0):
            raise ValueError(f"`task.images.{name}` must be a whole number >= 0, of pixels; got {value}.")
    _, height, width = splits.train.shape
    pitch = (min(height, width) + gap) // 3 // _BLOCK * _BLOCK
    if pitch - gap - jitter < _LEAST:
        least = -(-(_LEAST + gap + jitter) // _BLOCK) * _BLOCK
        raise ValueError(
            f"`task=patches` needs images that hold nine patches of {_LEAST} x {_LEAST} pixels, {gap} apart, moved by "
            f"up to {jitter}, each {least} pixels from the next: of {3 * least - gap} pixels a side; got {height} x "
            f"{width}. Take larger ones, or lower task.images.gap or task.images.jitter."
        )
    train, test = (
        _pairs(part, key("patches", name), pitch, gap, jitter)
        for name, part in (("train", splits.train), ("test", splits.test))
    )
    return Splits(train, test, splits.digest)


def _pairs(images: ImageSet, seed: int, pitch: int, gap: int, jitter: int) -> ImageSet:
    """All eight pairs of every image, image by image."""
    weights = torch.tensor(_GREY if images.shape[0] == len(_GREY) else [1 / images.shape[0]] * images.shape[0])
    pairs = []
    for rows in torch.arange(len(images)).split(_AT_ONCE):
        grey = torch.einsum("nchw,c->nhw", images.images[rows].float(), weights).round().to(torch.uint8)
        moved = ImageRandom(seed, rows).integers(jitter + 1, 9, 2)
        patches = [_patch(grey, row, column, moved, pitch, gap, jitter) for row in range(3) for column in range(3)]
        middle = patches.pop(4)
        pairs.append(torch.stack([torch.cat([middle, other], dim=-1) for other in patches], dim=1).flatten(0, 1))
    shown = torch.cat(pairs)[:, None].expand(-1, images.shape[0], -1, -1)
    return ImageSet(shown, torch.arange(len(_PLACES)).repeat(len(images)), _PLACES)


def _patch(grey: Tensor, row: int, column: int, moved: Tensor, pitch: int, gap: int, jitter: int) -> Tensor:
    """One of the nine patches of each grey image, shape (batch, height, width): (batch, side, side)."""
    side = pitch - gap - jitter
    margins = [(size - 3 * pitch + gap) // 2 for size in grey.shape[1:]]
    down, right = (
        margin + place * pitch + moved[:, 3 * row + column, axis]
        for axis, (margin, place) in enumerate(zip(margins, (row, column), strict=True))
    )
    return grey.unfold(1, side, 1).unfold(2, side, 1)[torch.arange(len(grey)), down, right]


def label_subset(splits: Splits, share: float, *, seed: int) -> Splits:
    """The same test images, and this share of the training images of each class, at least one, drawn by the seed; a
    greater share holds the smaller one. Raises ValueError for a share that is none."""
    if not (is_number(share) and 0 < share <= 1):
        raise ValueError(f"`data.labels` must be above 0 and at most 1, a share of the training images; got {share}.")
    if share == 1:
        return splits
    train = splits.train
    order = ImageRandom(key("labels", seed), torch.arange(len(train))).uniform().argsort(stable=True)
    chosen = []
    for label in train.labels.unique():
        mine = order[train.labels[order] == label]
        chosen.append(mine[: max(1, round(share * len(mine)))])
    rows = torch.cat(chosen).sort().values
    return replace(splits, train=train[rows])
