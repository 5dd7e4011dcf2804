"""What a common corruption is."""

from typing import Any

from torch import Tensor

from robust.perturb.base import Perturbation
from robust.perturb.corruptions.severity import check_severity, constants
from robust.perturb.random import ImageRandom

_GREY = (0.299, 0.587, 0.114)  # of red, green and blue, in how bright a pixel is


class Corruption(Perturbation):
    """A common corruption of a severity: from 1 to 5, also between them, or 0, which changes nothing.

    Its constants are the published ones for pictures of 32, 64 and 224 pixels, and for others what lies between (see
    `robust.perturb.corruptions.constants`). Images are floating-point in [0, 1], shape (batch, channels, height,
    width); published images were stored in 8 bits, these are not rounded. Raises ValueError for another severity.
    Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261).
    """

    values_at_a_time: int | None = 1 << 18  # 1 MiB stays in a core's cache
    #: whose constants it has, where that is another
    constants_of = ""

    def __init__(self, *, severity: float):
        super().__init__()
        self.severity = self.level = check_severity(severity)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        return self.draw(random, shape, *self._constants(*shape[1:])) if self.severity else {}

    def apply_transform(self, images: Tensor, *_: Any, **drawn: Tensor) -> Tensor:
        if not self.severity or not len(images):
            return images.clone()
        own = self._constants(*images.shape[2:])
        return self.corrupt(images, *own, **drawn).clamp_(0, 1)

    def _constants(self, height: int, width: int) -> tuple[float, ...]:
        return constants(self.constants_of or self.name, self.severity, min(height, width))

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        """What is random of it, for each image of a batch with images of `shape` (channels, height, width)."""
        return {}

    def corrupt(self, images: Tensor, *constants: Any, **drawn: Any) -> Tensor:
        """The corrupted images, which may leave [0, 1]."""
        raise NotImplementedError


def as_if_left(changed: Tensor, images: Tensor) -> Tensor:
    """Changed images, in the images' type, with the gradient of images that are left as they are."""
    changed = changed.detach().to(images.dtype)
    return changed + (images - images.detach()) if images.requires_grad else changed


def brightness_of(images: Tensor) -> Tensor:
    """How bright each pixel is, shape (batch, 1, height, width): of colours as eyes see them, else the mean."""
    if images.shape[1] != len(_GREY):
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    return (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])


def in_channels(colours: Tensor, channels: int) -> Tensor:
    """Colours, shape (batch, 3, height, width), for images of so many channels: where these are not 3, how bright."""
    return colours if channels == len(_GREY) else brightness_of(colours)
