"""The artificial mind's eye: estimate an object's pose, draw it, compare the drawing with the image.

Source: Berntsen, Kuijper, Heskes, "The Artificial Mind's Eye" (2016).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.models.alexnet import FEATURES, AlexNet, trunk
from robust.models.standardize import Per, Standardize

PATCH = 10  # pixels: the side of what the comparator sees at a time
_SLOPE = 0.1
_AT_ONCE = 8  # images that a CPU looks at: with their maps in its caches it is nearly twice as fast


class AlexNetWithPose(AlexNet):
    """The small AlexNet with a second head, which estimates as many `parameters` of the object as are named."""

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        parameters: Sequence[str],
        dropout: float = 0.5,
        standardize: Per = "channel",
        head: Sequence[int] = (),
    ):
        super().__init__(
            image_shape=image_shape, num_classes=num_classes, dropout=dropout, standardize=standardize, head=head
        )
        self.parameters_head = nn.Linear(FEATURES, len(parameters))

    def estimate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and parameters, shape (batch, parameters), that may leave [0, 1]."""
        features = self.trunk(self.standardize(images))
        return self.head(features), self.parameters_head(features)


class Estimator(nn.Module):
    """The first stage: from images in [0, 1] and the class that is assumed (int64, shape (batch,)) to the object's
    parameters, shape (batch, parameters), in [0, 1]. The class enters as one constant plane for each."""

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        parameters: Sequence[str],
        dropout: float = 0.5,
        standardize: Per = "channel",
    ):
        super().__init__()
        channels, height, width = image_shape
        self.num_classes = num_classes
        self.standardize = Standardize(image_shape=image_shape, per=standardize)
        self.trunk = trunk((channels + num_classes, height, width), dropout=dropout)
        self.head = nn.Linear(FEATURES, len(parameters))

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        return self.raw(images, classes).clamp(0, 1)

    def raw(self, images: Tensor, classes: Tensor) -> Tensor:
        """The parameters before they are clipped, which would give no gradient."""
        hot = functional.one_hot(classes, self.num_classes).to(images)
        planes = hot[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.head(self.trunk(torch.cat([self.standardize(images), planes], dim=1)))


class Projector(nn.Module):
    """The second stage: from parameters, shape (batch, parameters), and classes, shape (batch,), to the object drawn on
    black and its alpha, shape (batch, 1, size, size), of a `size` that 8 divides."""

    def __init__(self, *, image_shape: tuple[int, int, int], num_classes: int, parameters: Sequence[str]):
        super().__init__()
        channels, height, width = image_shape
        if channels != 1 or height != width or height % 8:
            raise ValueError(
                "The projector draws grey squares with a side of a multiple of 8 pixels; got images of shape "
                f"{tuple(image_shape)}."
            )
        self.num_classes = num_classes
        side = height // 8
        layers: list[nn.Module] = []
        inputs = len(parameters) + num_classes
        for width in (512, 512, 384, 384, 96 * side * side):
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(_SLOPE)]
            inputs = width
        self.body = nn.Sequential(
            *layers,
            nn.Unflatten(1, (96, side, side)),
            *(_enlarging(96, 96), nn.LeakyReLU(_SLOPE)),
            *(_enlarging(96, 32), nn.LeakyReLU(_SLOPE)),
        )
        self.grey, self.alpha = _enlarging(32, 1), _enlarging(32, 1)

    def forward(self, parameters: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        drawing, alpha = self.raw(parameters, classes)
        return drawing, alpha.sigmoid()

    def raw(self, parameters: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The drawing, and its alpha as a logit."""
        hot = functional.one_hot(classes, self.num_classes).to(parameters)
        features = self.body(torch.cat([parameters, hot], dim=1))
        alpha = self.alpha(features)
        return self.grey(features) * alpha.sigmoid(), alpha


def _enlarging(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class Comparator(nn.Module):
    """The third stage: from images, drawings and their alpha, shape (batch, 1, height, width) each, to how alike every
    patch of 10x10 pixels is: logits of shape (batch, 1, height - 9, width - 9)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 64, PATCH), nn.ReLU()),
            *(nn.Conv2d(64, 64, 1), nn.ReLU()),
            *(nn.Conv2d(64, 64, 1), nn.ReLU()),
            nn.Conv2d(64, 1, 1),
        )

    def forward(self, images: Tensor, drawings: Tensor, alphas: Tensor) -> Tensor:
        return self.layers(torch.cat([images, drawings, alphas], dim=1) * 2 - 1)


class View(NamedTuple):
    """What the network saw, assuming each class in turn: tensors of shape (batch, classes, ...).

    `parameters` in [0, 1]; the `drawing` and its `alpha`, (height, width); `similarity`, the convoluted similarity map
    in [0, 1], and `weight`, the convoluted alpha, (height - 9, width - 9); the `score`, their mean, in [0, 1].
    """

    parameters: Tensor
    drawing: Tensor
    alpha: Tensor
    similarity: Tensor
    weight: Tensor
    score: Tensor


class TripleStaged(nn.Module):
    """The three stages joined: from images in [0, 1], shape (batch, 1, height, width), to the score of each class and,
    as that of the last, which is no object, the `threshold`: shape (batch, num_classes). So the greatest is the
    prediction: the class whose drawing is most like the image, if its score reaches the threshold.

    The threshold, in (0, 1), may be set anew at any time; nothing is trained with it. `options` are those of the
    `Estimator`.
    """

    gives_logits: ClassVar[bool] = False
    hands_on: ClassVar = Estimator

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        parameters: Sequence[str],
        threshold: float = 0.45,
        **options: Any,
    ):
        super().__init__()
        self.threshold = threshold
        self.num_objects = num_classes - 1
        self.pose = tuple(parameters)
        shared: dict[str, Any] = {"image_shape": image_shape, "num_classes": self.num_objects, "parameters": parameters}
        self.estimator, self.projector = Estimator(**shared, **options), Projector(**shared)
        self.comparator = Comparator()

    @property
    def threshold(self) -> float:
        """The score that an object must reach."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 < value < 1:
            raise ValueError(f"`threshold` must be above 0 and below 1; got {value}. Scores are from 0 to 1.")
        self._threshold = value

    def forward(self, images: Tensor) -> Tensor:
        return functional.pad(self.look(images).score, (0, 1), value=self.threshold)

    def predictions_at(self, scores: Tensor, thresholds: Sequence[float]) -> Tensor:
        """The predictions that outputs of this network mean at other thresholds: int64 of shape (batch, thresholds)."""
        best, objects = scores[:, :-1].max(1)
        reached = best[:, None] >= torch.tensor(list(thresholds)).to(best)
        return torch.where(reached, objects[:, None], self.num_objects)

    def target_loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The squared distance of scores, all but that of the last class (no object), to 1 for the target and 0 for the
        others, shape (batch,) (Berntsen et al. 2016, section 3.2)."""
        wanted = functional.one_hot(targets, scores.shape[1])[:, :-1].to(scores)
        return (scores[:, :-1] - wanted).square().sum(1)

    def look(self, images: Tensor) -> View:
        """Everything between the images and the scores."""
        parts = [self._look(part) for part in images.split(max(len(images), 1) if images.is_cuda else _AT_ONCE)]
        return View(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def _look(self, images: Tensor) -> View:
        classes = torch.arange(self.num_objects, device=images.device).repeat(len(images))
        views = self.compare(images.repeat_interleave(self.num_objects, dim=0), classes)
        return View(*(part.reshape(len(images), self.num_objects, *part.shape[1:]) for part in views))

    def compare(self, images: Tensor, classes: Tensor) -> View:
        """The same, of images and the one class that is assumed of each, shape (batch,): without that axis."""
        parameters = self.estimator(images, classes)
        drawing, alpha = self.projector(parameters, classes)
        similarity = self.comparator(images, drawing, alpha).sigmoid()[:, 0]
        weight = functional.avg_pool2d(alpha, PATCH, stride=1)[:, 0]
        score = (similarity * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-6)
        return View(parameters, drawing[:, 0], alpha[:, 0], similarity, weight, score)
