"""Residual networks, plain and with squeeze-and-excitation, for small images."""

import itertools
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from robust.models.convnet import linear_head
from robust.models.cpu import multiply_small_maps
from robust.models.standardize import Per, Standardize

_LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_REDUCTION = 16  # of channels in a squeeze: Hu et al. 2018


class ResNet(nn.Module):
    """torchvision's residual network of a `depth` (18, 34 or 50 layers) with a stem for small images: one convolution,
    3x3 (or 7x7, as published), of a stride (1 or, with a quarter of the work, 2), and pooling behind it (`stem_pool`,
    as published: a quarter again) or none. `stem` has `width` channels, 64 as published, and so has a block of
    `layer1`; each later layer has twice as many as the one before.

    Takes images in [0, 1], shape (batch, channels, height, width), and returns logits, shape (batch, num_classes). With
    `squeeze` every block weighs its channels before they are added (Hu et al. 2018, arXiv 1709.01507). Its parts are
    `stem`, `layer1` to `layer4` and `head`; `head` are the widths of hidden linear layers before the logits.
    Raises ValueError for another depth, stem or width. Source: He et al. 2016 (arXiv 1512.03385).
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: int = 18,
        squeeze: bool = False,
        stem_kernel: int = 3,
        stem_stride: int = 1,
        stem_pool: bool = False,
        width: int = 64,
        standardize: Per = "channel",
        head: Sequence[int] = (),
    ):
        super().__init__()
        if depth not in _LAYERS:
            raise ValueError(f"`model.depth` must be one of {', '.join(map(str, _LAYERS))}; got {depth}.")
        if stem_kernel not in (3, 7):
            raise ValueError(f"`model.stem_kernel` must be 3 or 7; got {stem_kernel}.")
        if stem_stride not in (1, 2):
            raise ValueError(f"`model.stem_stride` must be 1 or 2; got {stem_stride}.")
        if type(width) is not int or width < 1:
            raise ValueError(f"`model.width`, the stem's channels, must be a whole number >= 1; got {width}.")
        from torchvision.models.resnet import BasicBlock, Bottleneck

        self.depth = depth
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        convolution = nn.Conv2d(
            image_shape[0], width, stem_kernel, stride=stem_stride, padding=stem_kernel // 2, bias=False
        )
        pool = [nn.MaxPool2d(3, stride=2, padding=1)] if stem_pool else []
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), *pool)
        block = Bottleneck if depth >= 50 else BasicBlock
        layers = [_layer(block, width, place, count=count) for place, count in enumerate(_LAYERS[depth])]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        if squeeze:
            for each in itertools.chain(*layers):
                _squeeze(each)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = linear_head(8 * width * block.expansion, num_classes, hidden=head)
        multiply_small_maps(self)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(self.standardize(images))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
        return self.head(self.pool(features))


def _layer(block: Any, width: int, place: int, *, count: int) -> nn.Sequential:
    """The layer of a `place`, from 0: `count` of torchvision's blocks. The first changes the number of maps, and behind
    the first layer their size, and so needs a convolution beside it."""
    channels = width * 2**place
    outside, before = channels * block.expansion, channels // 2 * block.expansion if place else width
    stride, beside = 2 if place else 1, None
    if before != outside:
        beside = nn.Sequential(nn.Conv2d(before, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
    return nn.Sequential(block(before, channels, stride, beside), *(block(outside, channels) for _ in range(count - 1)))


def _squeeze(block: Any) -> None:
    """Squeeze-and-excitation behind a residual block's last norm."""
    from torchvision.ops import SqueezeExcitation

    last = "bn3" if hasattr(block, "bn3") else "bn2"
    norm = getattr(block, last)
    channels = norm.num_features
    setattr(block, last, nn.Sequential(norm, SqueezeExcitation(channels, max(channels // _REDUCTION, 1))))
