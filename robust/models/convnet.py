"""Plain convolutional networks."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.errors import check
from robust.models.cpu import max_pool
from robust.models.standardize import Per, Standardize

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class ConvNet(nn.Module):
    """Convolutions, each with batch norm and an activation; pooling and dropout after every `pool_every` of them; a
    linear head.

    Takes images in [0, 1], shape (batch, channels, height, width), and returns logits, shape (batch, num_classes).
    `units` are the convolutions' output channels, `head` the widths of hidden linear layers between the features and
    the logits. Switched off, batch norm, dropout (`dropout=0`) and max pooling are left out (`max_pool=False` takes the
    mean over the same windows). Raises ValueError for what it cannot be made of, ImagesTooSmallError for images of
    which nothing would be left. Source: Cavey et al. 2020 (arXiv 2004.03452), section IV and Table I.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        units: Sequence[int],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        pool_every: int = 1,
        batch_norm: bool = True,
        dropout: float = 0.2,
        activation: Literal["relu", "tanh"] = "relu",
        max_pool: bool = True,
        standardize: Per = "feature",
        head: Sequence[int] = (),
    ):
        super().__init__()
        for name, value in {"kernel_size": kernel_size, "stride": stride, "pool_every": pool_every}.items():
            check(f"model.{name}", value, "a whole number >= 1", value >= 1)
        check("model.units", units, "a list of whole numbers >= 1", min(units, default=1) >= 1)
        if activation not in _ACTIVATIONS:
            raise ValueError(f"`model.activation` must be one of {', '.join(_ACTIVATIONS)}; got {activation!r}.")
        if not 0 <= dropout < 1:
            raise ValueError(
                f"`model.dropout` must be at least 0 and below 1; got {dropout}. It is the share of features set to 0."
            )
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        layers: list[nn.Module] = []
        inputs = image_shape[0]
        for place, outputs in enumerate(units, start=1):
            layers.append(nn.Conv2d(inputs, outputs, kernel_size, stride, padding))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(_ACTIVATIONS[activation]())
            if place % pool_every == 0:
                layers.append(MaxPool() if max_pool else MeanPool())
                if dropout:
                    layers.append(nn.Dropout(dropout))
            inputs = outputs
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = linear_head(count_features(self.features, image_shape), num_classes, hidden=head)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(self.standardize(images)))


def _window(maps: Tensor) -> tuple[int, int]:
    """Of 2 x 2; of maps that have come down to a single row or column, of that."""
    height, width = maps.shape[-2:]
    return min(2, height), min(2, width)


class MeanPool(nn.AvgPool2d):
    """The mean of each 2 x 2 window; a last odd row or column is left out, a single one stays."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, maps: Tensor) -> Tensor:
        return functional.avg_pool2d(maps, _window(maps))


class MaxPool(nn.MaxPool2d):
    """The maximum of each 2 x 2 window; a last odd row or column is left out, a single one stays."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, maps: Tensor) -> Tensor:
        return max_pool(maps, _window(maps))


def linear_head(inputs: int, num_classes: int, *, hidden: Sequence[int] = (), bias: bool = True) -> nn.Sequential:
    """Linear layers from features, shape (batch, inputs), to logits, shape (batch, num_classes), with a ReLU behind
    each of the `hidden` ones, whose widths these are. The last one has a `bias` or none."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, num_classes, bias=bias))


class ImagesTooSmallError(ValueError):
    """Nothing of the images would be left behind a network's convolutions."""


def count_features(features: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """How many features come out of images of this shape. Raises ImagesTooSmallError where there are none."""
    training = features.training
    try:
        with torch.no_grad():
            return features.eval()(torch.zeros(1, *image_shape)).shape[1]
    except NotImplementedError:
        raise  # by the device, not by the size
    except RuntimeError as error:
        raise ImagesTooSmallError(
            f"Images of {image_shape[1]} x {image_shape[2]} pixels are too small for this network ({error})."
        ) from error
    finally:
        features.train(training)
