"""A network for small images that trains in few epochs."""

from collections.abc import Sequence

from torch import Tensor, nn

from robust.errors import check
from robust.models.convnet import MaxPool, count_features, linear_head
from robust.models.standardize import Per
from robust.models.whitening import Shift, Whitening

_BIAS_RATE = 64.0  # how many times faster the norms' biases learn
_LOGITS = 1 / 9  # their factor


class FastNet(nn.Module):
    """Whitened patches, then groups of two convolutions, each with batch norm and GELU, and pooling; one linear layer
    without bias. Trained by `sweep=fast`.

    Takes images in [0, 1], shape (batch, channels, height, width), and returns logits, shape (batch, num_classes).
    `widths` are the maps of each group; half of them is a third of the work. `floor` keeps fine noise small (see
    `Whitening`); published is 0.0005, for pictures that did not go through JPEG. Convolutions begin as the identity,
    the norms have no scale, and their biases learn 64 times as fast. `head` are the widths of hidden linear layers
    before the logits. Raises ValueError for widths below 1, ImagesTooSmallError for images of which nothing would be
    left. Source: Jordan 2024 (arXiv 2404.00498).
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        widths: Sequence[int] = (64, 256, 256),
        floor: float = 0.1,
        standardize: Per = "channel",
        head: Sequence[int] = (),
    ):
        super().__init__()
        check("model.widths", widths, "a list of whole numbers >= 1", bool(widths) and min(widths) >= 1)
        check("model.standardize", standardize, "channel: its first layer whitens", standardize == "channel")
        self.whitening = Whitening(image_shape[0], floor=floor)
        inputs = [self.whitening.outputs, *widths[:-1]]
        groups = [_group(before, width) for before, width in zip(inputs, widths, strict=True)]
        self.groups = nn.Sequential(nn.GELU(), *groups, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        count_features(nn.Sequential(self.whitening, self.groups), image_shape)
        self.head = linear_head(widths[-1], num_classes, hidden=head, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.groups(self.whitening(images))) * _LOGITS


def _group(inputs: int, width: int) -> nn.Sequential:
    first, second = (nn.Conv2d(maps, width, 3, padding="same", bias=False) for maps in (inputs, width))
    for convolution in (first, second):
        nn.init.dirac_(convolution.weight[: convolution.in_channels])
    return nn.Sequential(first, MaxPool(), *_normed(width), second, *_normed(width))


def _normed(width: int) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(width, momentum=0.4, eps=1e-12, affine=False), Shift(width, rate=_BIAS_RATE), nn.GELU()
