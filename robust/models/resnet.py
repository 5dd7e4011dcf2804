"""Residual networks, plain and with squeeze-and-excitation, for small images."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from robust.models.convnet import linear_head
from robust.models.small_maps import multiply_small_maps
from robust.models.standardize import Per, Standardize

_LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_REDUCTION = 16  # of channels in a squeeze: Hu et al. 2018


class ResNet(nn.Module):
    """torchvision's residual network of a `depth` (18, 34 or 50 layers) with a stem for small images: one convolution,
    3x3 (or 7x7, as published), of a stride (1 or, about four times as fast, 2), and pooling behind it (`stem_pool`, as
    published, about four times as fast again) or none.

    Takes images in [0, 1], shape (batch, channels, height, width), and returns logits, shape (batch, num_classes). With
    `squeeze` every block weighs its channels before they are added (Hu et al. 2018, arXiv 1709.01507). Its parts are
    `stem`, `layer1` to `layer4` and `head`; `head` are the widths of hidden linear layers before the logits.
    Source: He et al. 2016 (arXiv 1512.03385).
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
        from torchvision.models.resnet import BasicBlock, Bottleneck
        from torchvision.models.resnet import ResNet as Published

        published = Published(Bottleneck if depth >= 50 else BasicBlock, list(_LAYERS[depth]))
        self.depth = depth
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        convolution = nn.Conv2d(
            image_shape[0], 64, stem_kernel, stride=stem_stride, padding=stem_kernel // 2, bias=False
        )
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        pool = [published.maxpool] if stem_pool else []
        self.stem = nn.Sequential(convolution, published.bn1, nn.ReLU(inplace=True), *pool)
        self.layer1, self.layer2 = published.layer1, published.layer2
        self.layer3, self.layer4 = published.layer3, published.layer4
        if squeeze:
            for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
                for block in layer:
                    _squeeze(block)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = linear_head(published.fc.in_features, num_classes, hidden=head)
        multiply_small_maps(self)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(self.standardize(images))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
        return self.head(self.pool(features))


def _squeeze(block: Any) -> None:
    """Squeeze-and-excitation behind a residual block's last norm."""
    from torchvision.ops import SqueezeExcitation

    last = "bn3" if hasattr(block, "bn3") else "bn2"
    norm = getattr(block, last)
    channels = norm.num_features
    setattr(block, last, nn.Sequential(norm, SqueezeExcitation(channels, max(channels // _REDUCTION, 1))))
