"""Restorations as filters: of noise, of blur, of pixels that fail."""

import torch
from kornia.filters import bilateral_blur, median_blur
from torch import Tensor
from torch.nn import functional

from robust.errors import check
from robust.perturb.corruptions.jpeg import through_jpeg
from robust.perturb.filters import filtered, gaussian_matrix
from robust.restore.restoration import Restoration
from robust.values.numbers import is_number, is_whole

_NEIGHBOURS = 8


class Median(Restoration):
    """Each value becomes the median of those around it, in a square of `size` pixels a side, an odd number from 3 to
    15: against pixels that fail. Beyond the border its pixels go on. Raises ValueError for another size."""

    def __init__(self, *, size: int = 3):
        super().__init__()
        self.size = _odd("size", size)

    def forward(self, images: Tensor) -> Tensor:
        return median_blur(images, self.size, border_type="replicate")

    def extra_repr(self) -> str:
        return f"size={self.size}"


class Bilateral(Restoration):
    """Each value becomes a mean of those around it, in a square of `size` pixels a side, the nearer in place and colour
    the heavier: against noise, with edges kept. `space` and `colour` are the standard deviations of both weights, in
    pixels and of values in [0, 1]. Raises ValueError for another size than an odd one from 3 to 15, and for numbers
    that are not above 0. Source: Tomasi and Manduchi 1998 (ICCV)."""

    def __init__(self, *, size: int = 5, space: float = 1.5, colour: float = 0.1):
        super().__init__()
        self.size, self.space, self.colour = _odd("size", size), _above_0("space", space), _above_0("colour", colour)

    def forward(self, images: Tensor) -> Tensor:
        return bilateral_blur(images, self.size, self.colour, (self.space, self.space), border_type="replicate")

    def extra_repr(self) -> str:
        return f"size={self.size}, space={self.space}, colour={self.colour}"


class Gaussian(Restoration):
    """A Gaussian blur of standard deviation `sigma` > 0 pixels: against noise. Raises ValueError for another sigma."""

    def __init__(self, *, sigma: float = 0.7):
        super().__init__()
        self.sigma = _above_0("sigma", sigma)

    def forward(self, images: Tensor) -> Tensor:
        return _smooth(images, self.sigma).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}"


class Unsharp(Restoration):
    """Adds `amount` times what a Gaussian blur of `sigma` pixels takes away: against blur. Raises ValueError for
    numbers that are not above 0."""

    def __init__(self, *, sigma: float = 1.0, amount: float = 1.0):
        super().__init__()
        self.sigma, self.amount = _above_0("sigma", sigma), _above_0("amount", amount)

    def forward(self, images: Tensor) -> Tensor:
        return (images + self.amount * (images - _smooth(images, self.sigma))).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}, amount={self.amount}"


class Jpeg(Restoration):
    """Stores images as JPEG of a `quality` from 1 to 100, and reads them again: against noise and adversarial changes.
    Images of neither one nor three channels are stored channel by channel. Its gradient is that of leaving images as
    they are, since what is stored are whole numbers. Raises ValueError for another quality."""

    differentiable = False

    def __init__(self, *, quality: int = 75):
        super().__init__()
        check("quality", quality, "a whole number from 1 to 100", is_whole(quality, 1) and quality <= 100)
        self.quality = int(quality)

    def forward(self, images: Tensor) -> Tensor:
        return through_jpeg(images, self.quality)

    def extra_repr(self) -> str:
        return f"quality={self.quality}"


class DefectivePixels(Restoration):
    """A value that is further than `threshold` above all eight around it, or below all of them, becomes their median,
    as a camera mends a pixel that fails; all others stay as they are. Beyond the border lies the mirror image, of which
    a pixel at the border is no part. Raises ValueError for a threshold outside [0, 1]."""

    def __init__(self, *, threshold: float = 0.1):
        super().__init__()
        holds = is_number(threshold) and 0 <= threshold <= 1
        check("threshold", threshold, "a number from 0 to 1, of values in [0, 1]", holds)
        self.threshold = float(threshold)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if min(height, width) == 1:  # nothing is around
            return images.clone()
        padded = functional.pad(images, (1, 1, 1, 1), mode="reflect")
        near = torch.stack(
            [
                padded[..., down : down + height, across : across + width]
                for down in range(3)
                for across in range(3)
                if (down, across) != (1, 1)
            ]
        )
        low, high = near.aminmax(dim=0)
        fails = (images > high + self.threshold) | (images < low - self.threshold)
        middle = near.sort(dim=0).values[_NEIGHBOURS // 2 - 1 : _NEIGHBOURS // 2 + 1].mean(0)
        return torch.where(fails, middle, images)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}"


def _smooth(images: Tensor, sigma: float) -> Tensor:
    return filtered(images, *(gaussian_matrix(side, sigma) for side in images.shape[2:]))


def _odd(name: str, value: int) -> int:
    check(name, value, "an odd number from 3 to 15", is_whole(value, 3) and value <= 15 and value % 2 == 1)
    return int(value)


def _above_0(name: str, value: float) -> float:
    check(name, value, "a number above 0", is_number(value) and value > 0)
    return float(value)
