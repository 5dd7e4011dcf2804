"""A small AlexNet."""

from collections.abc import Sequence

from torch import Tensor, nn

from robust.models.convnet import count_features, linear_head
from robust.models.cpu import LocalResponseNorm
from robust.models.standardize import Per, Standardize

#: how many features a trunk gives
FEATURES = 1024


class AlexNet(nn.Module):
    """A reduced AlexNet for images of 64x64, from images in [0, 1] to logits, shape (batch, num_classes).

    `head` are the widths of hidden linear layers before the logits.
    Source: Berntsen et al. 2016, section 2.1.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        dropout: float = 0.5,
        standardize: Per = "channel",
        head: Sequence[int] = (),
    ):
        super().__init__()
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        self.trunk = trunk(image_shape, dropout=dropout)
        self.head = linear_head(FEATURES, num_classes, hidden=head)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(self.standardize(images)))


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


def _norm() -> LocalResponseNorm:
    return LocalResponseNorm(5, alpha=1e-4, beta=0.75)
