"""A small AlexNet."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.models.convnet import count_features, linear_head
from robust.models.standardize import Per, Standardize

#: how many features a trunk gives
FEATURES = 1024


class AlexNet(nn.Module):
    """A reduced AlexNet for images of 64x64, from images in [0, 1] to logits, shape (batch, num_classes).

    With `parameters`, the names of what else is to be estimated, a second head gives as many numbers (`estimate`);
    `head` are the widths of hidden linear layers before the logits.
    Source: Berntsen et al. 2016, section 2.1.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        parameters: Sequence[str] = (),
        dropout: float = 0.5,
        standardize: Per = "channel",
        head: Sequence[int] = (),
    ):
        super().__init__()
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        self.trunk = trunk(image_shape, dropout=dropout)
        self.head = linear_head(FEATURES, num_classes, hidden=head)
        self.parameters_head = nn.Linear(FEATURES, len(parameters)) if parameters else None

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(self.standardize(images)))

    def estimate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and parameters, shape (batch, parameters), that may leave [0, 1]."""
        assert self.parameters_head is not None
        features = self.trunk(self.standardize(images))
        return self.head(features), self.parameters_head(features)


def trunk(image_shape: tuple[int, int, int], *, dropout: float) -> nn.Sequential:
    """From images to 1,024 features. Raises ValueError for images that are too small or a dropout outside [0, 1)."""
    if not 0 <= dropout < 1:
        raise ValueError(
            f"`model.dropout` must be at least 0 and below 1; got {dropout}. It is the share of features set to 0."
        )
    convolutions = nn.Sequential(
        *(nn.Conv2d(image_shape[0], 16, 3), nn.ReLU(), _norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(16, 64, 3, padding=1), nn.ReLU(), _norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 96, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(96, 96, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(96, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
    )
    features = count_features(convolutions, image_shape)
    return nn.Sequential(
        convolutions,
        *(nn.Linear(features, FEATURES), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Dropout(dropout)),
    )


class LocalResponseNorm(nn.LocalResponseNorm):
    """PyTorch's, for an odd size and beta 0.75: the same values, several times as fast on a CPU, where it would take
    more than half of the time that this network trains."""

    def forward(self, images: Tensor) -> Tensor:
        assert self.size % 2 == 1
        assert self.beta == 0.75
        return _Normed.apply(images, self.size, self.alpha, self.k)


class _Normed(torch.autograd.Function):
    """x s^-3/4 with s = k + alpha / size W x^2: the sum W over neighbouring channels is a convolution, the power two
    square roots. Its gradient in few passes over memory, which is what it costs."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, size: int, alpha: float, k: float) -> Tensor:
        channels = torch.arange(images.shape[1], device=images.device)
        near = (channels[:, None] - channels).abs() <= size // 2
        weight = near.to(images)[:, :, None, None] * (alpha / size)
        total = functional.conv2d(images.square(), weight, images.new_full((len(weight),), k))
        scale = total.rsqrt().mul_(total.sqrt().rsqrt_())
        ctx.save_for_backward(images, total, scale, weight)
        return images * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        images, total, scale, weight = ctx.saved_tensors
        result = gradients[0] * scale
        spread = functional.conv2d((result * images).div_(total), weight)
        return torch.addcmul(result, images, spread, value=-1.5), None, None, None


def _norm() -> LocalResponseNorm:
    return LocalResponseNorm(5, alpha=1e-4, beta=0.75)
