"""What a common corruption is."""

from typing import Any

from torch import Tensor

from robust.perturb.base import Perturbation
from robust.perturb.corruptions.severity import check_severity, constants
from robust.perturb.random import ImageRandom


class Corruption(Perturbation):
    """A common corruption of a severity: from 1 to 5, also between them, or 0, which changes nothing.

    Its constants are the published ones for pictures of 32, 64 and 224 pixels, and for others what lies between (see
    `robust.perturb.corruptions.constants`). Images are floating-point in [0, 1], shape (batch, channels, height,
    width); published images were stored in 8 bits, these are not rounded. Raises ValueError for another severity.
    Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261).
    """

    def __init__(self, *, severity: float):
        super().__init__()
        self.severity = self.level = check_severity(severity)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        return self.draw(random, shape, *self._constants(*shape[1:])) if self.severity else {}

    def apply_transform(self, images: Tensor, *_: Any, **drawn: Tensor) -> Tensor:
        if not self.severity or not len(images):
            return images.clone()
        return self.corrupt(images, *self._constants(*images.shape[2:]), **drawn).clamp(0, 1)

    def _constants(self, height: int, width: int) -> tuple[float, ...]:
        return constants(self.name, self.severity, min(height, width))

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        """What is random of it, for each image of a batch with images of `shape` (channels, height, width)."""
        return {}

    def corrupt(self, images: Tensor, *constants: Any, **drawn: Any) -> Tensor:
        """The corrupted images, which may leave [0, 1]."""
        raise NotImplementedError
