"""The residual networks for 32x32 images that most of RobustBench's checkpoints are of: the names of their weights are
those that such a checkpoint has."""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_STRIDES = (1, 2, 2, 2)
_WIDTHS = (64, 128, 256, 512)


class WideResNet(nn.Module):
    """A wide residual network of a `depth` (6 n + 4) and a `width`: images of 32x32, shape (batch, 3, 32, 32), to
    logits. Source: Zagoruyko and Komodakis 2016 (arXiv 1605.07146)."""

    def __init__(self, *, depth: int, width: int, num_classes: int):
        super().__init__()
        count = (depth - 4) // 6
        channels = [16, *(one * width for one in (16, 32, 64))]
        self.conv1 = _conv(3, channels[0])
        for place in range(3):
            setattr(self, f"block{place + 1}", _Group(count, channels[place], channels[place + 1], _STRIDES[place]))
        self.bn1 = nn.BatchNorm2d(channels[3])
        self.fc = nn.Linear(channels[3], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv1(images)
        for place in range(3):
            features = getattr(self, f"block{place + 1}")(features)
        pooled: Tensor = functional.adaptive_avg_pool2d(functional.relu(self.bn1(features)), 1).flatten(1)
        logits: Tensor = self.fc(pooled)
        return logits


class _Group(nn.Module):
    """Blocks of one width."""

    def __init__(self, count: int, before: int, channels: int, stride: int):
        super().__init__()
        first = _WideBlock(before, channels, stride)
        self.layer = nn.Sequential(first, *(_WideBlock(channels, channels, 1) for _ in range(count - 1)))

    def forward(self, features: Tensor) -> Tensor:
        after: Tensor = self.layer(features)
        return after


class _WideBlock(nn.Module):
    """Norm, ReLU and convolution, twice; what goes around them is normed too where the width changes."""

    def __init__(self, before: int, channels: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), _conv(before, channels, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), _conv(channels, channels)
        self.convShortcut = None if before == channels else nn.Conv2d(before, channels, 1, stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        ready = functional.relu(self.bn1(features))
        changed = self.conv2(functional.relu(self.bn2(self.conv1(ready))))
        around: Tensor = features if self.convShortcut is None else self.convShortcut(ready)
        return around + changed


class SmallResNet(nn.Module):
    """A residual network of 18, 34 or 50 layers with a stem for images of 32x32, whose norms stand behind the
    convolutions (He et al. 2016, arXiv 1512.03385) or, with `before`, in front (arXiv 1603.05027); with `last_norm`,
    also in front of the classifier. Takes images of shape (batch, 3, 32, 32), returns logits."""

    def __init__(self, *, layers: tuple[int, ...], block: Callable[..., nn.Module], num_classes: int, last_norm: bool):
        super().__init__()
        self.conv1 = _conv(3, 64)
        expansion = getattr(block, "expansion", 1)
        self.norm_first = issubclass(block, _PreBlock) if isinstance(block, type) else False
        if not self.norm_first:
            self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for place, (count, width, stride) in enumerate(zip(layers, _WIDTHS, _STRIDES, strict=True)):
            blocks = []
            for number in range(count):
                blocks.append(block(before, width, 1 if number else stride))
                before = width * expansion
            setattr(self, f"layer{place + 1}", nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(before) if last_norm else None
        self.linear = nn.Linear(before, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv1(images)
        if not self.norm_first:
            features = functional.relu(self.bn1(features))
        for place in range(4):
            features = getattr(self, f"layer{place + 1}")(features)
        if self.bn is not None:
            features = functional.relu(self.bn(features))
        logits: Tensor = self.linear(functional.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits


class _Block(nn.Module):
    """Two convolutions, each with its norm behind it."""

    expansion = 1

    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = _conv(before, width, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width), nn.BatchNorm2d(width)
        self.shortcut = _normed_shortcut(before, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(features)))))
        return functional.relu(changed + self.shortcut(features))


class _Bottleneck(nn.Module):
    """Three convolutions, the outer ones of a pixel, each with its norm behind it."""

    expansion = 4

    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.shortcut = _normed_shortcut(before, 4 * width, stride)

    def forward(self, features: Tensor) -> Tensor:
        changed = functional.relu(self.bn1(self.conv1(features)))
        changed = self.bn3(self.conv3(functional.relu(self.bn2(self.conv2(changed)))))
        return functional.relu(changed + self.shortcut(features))


class _PreBlock(nn.Module):
    """Two convolutions, each with its norm in front; what goes around them is `normed` too, or not."""

    expansion = 1
    normed = False

    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), _conv(before, width, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), _conv(width, width)
        other = stride != 1 or before != width
        self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False)) if other else None

    def forward(self, features: Tensor) -> Tensor:
        ready = functional.relu(self.bn1(features))
        changed: Tensor = self.conv2(functional.relu(self.bn2(self.conv1(ready))))
        around = features if self.shortcut is None else self.shortcut(ready if self.normed else features)
        return changed + around


class _NormedPreBlock(_PreBlock):
    """The same, whose shortcut sees what the first norm gives."""

    normed = True


def _conv(before: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)


def _normed_shortcut(before: int, channels: int, stride: int) -> nn.Sequential:
    if stride == 1 and before == channels:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def _wide(depth: int, width: int) -> Callable[..., nn.Module]:
    return functools.partial(WideResNet, depth=depth, width=width)


def _small(layers: tuple[int, ...], block: Any, *, last_norm: bool = False) -> Callable[..., nn.Module]:
    return functools.partial(SmallResNet, layers=layers, block=block, last_norm=last_norm)


#: by name: what makes one of so many classes. `_v2` and `_bn` are variants that entries of RobustBench have
ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    **{
        f"wide_resnet_{depth}_{width}": _wide(depth, width) for depth in (28, 34, 40, 70) for width in (1, 2, 4, 10, 16)
    },
    "resnet18": _small((2, 2, 2, 2), _Block),
    "resnet34": _small((3, 4, 6, 3), _Block),
    "resnet50": _small((3, 4, 6, 3), _Bottleneck),
    "preact_resnet18": _small((2, 2, 2, 2), _PreBlock),
    "preact_resnet18_bn": _small((2, 2, 2, 2), _PreBlock, last_norm=True),
    "preact_resnet18_v2": _small((2, 2, 2, 2), _NormedPreBlock),
    "preact_resnet18_v2_bn": _small((2, 2, 2, 2), _NormedPreBlock, last_norm=True),
}
