"""A restoration that learns."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.errors import check
from robust.restore.restoration import Restoration
from robust.values.numbers import is_whole

_WIDEST = 45  # of which there are 0.93 million weights


class Denoiser(Restoration):
    """A small U-Net that says what is to be added to an image to restore it; new, it adds nothing. Learnt by
    `task=denoise`.

    Two convolutions at the image's size, at half and at a quarter of it, of `width` maps, a whole number from 1 to 45,
    and two and four times as many; then up again, beside what was there on the way down. Takes images of any size, of
    as many channels as `image_shape`, (channels, height, width), has; only in eval mode what it returns is within
    [0, 1]. Raises ValueError for another width. Sources:
    Ronneberger et al. 2015 (arXiv 1505.04597), Zhang et al. 2017 (arXiv 1608.03981).
    """

    def __init__(self, *, image_shape: tuple[int, int, int], width: int = 8, **_: Any):
        super().__init__()
        check("width", width, f"a whole number from 1 to {_WIDEST}", is_whole(width, 1) and width <= _WIDEST)
        channels, widths = image_shape[0], (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(_block(*maps) for maps in zip((channels, *widths), widths, strict=False))
        self.up = nn.ModuleList(_block(3 * maps, maps) for maps in (2 * width, width))
        self.last = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        rule = f"{self.channels}, of the images that it learnt from"
        check("channels of an image", images.shape[1], rule, images.shape[1] == self.channels)
        maps, beside = images.to(self.last.weight), []
        for place, block in enumerate(self.down):
            maps = block(functional.avg_pool2d(maps, 2, ceil_mode=True) if place else maps)
            beside.append(maps)
        for block, other in zip(self.up, beside[-2::-1], strict=True):
            maps = block(torch.cat([functional.interpolate(maps, other.shape[2:]), other], 1))
        restored = images + self.last(maps).to(images)
        return restored if self.training else restored.clamp(0, 1)  # beyond 0 and 1 nothing would be learnt


def _block(inputs: int, outputs: int) -> nn.Sequential:
    first, second = (nn.Conv2d(maps, outputs, 3, padding=1) for maps in (inputs, outputs))
    for convolution in (first, second):  # nothing normalises what comes out
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
