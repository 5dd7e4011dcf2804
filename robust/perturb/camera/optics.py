"""What lens and movement do to a picture, as a product in the frequencies: each is known there in closed form."""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: micrometres, of green light
WAVELENGTH = 0.55
_SPARE = 2  # pixels beyond what a blur reaches


def blurred(
    images: Tensor, *, radius: float = 0.0, cutoff: float = math.inf, length: float = 0.0, angle: Tensor | None = None
) -> Tensor:
    """Images, in linear light, of a scene out of focus, through an aperture, that moves.

    `radius`, pixels, of the disk that a point becomes; `cutoff`, cycles a pixel, above which the aperture lets nothing
    through; `length`, pixels, of the way that the scene goes steadily, at an `angle` of each image, radians, shape
    (batch,). Beyond its border a picture is mirrored. The frequencies of a disk, a circular aperture and a line are as
    in Goodman, Introduction to Fourier Optics, chapter 6.
    """
    height, width = images.shape[2:]
    reach = math.ceil(radius + length / 2) + _SPARE
    down, across = (min(reach, side - 1) for side in (height, width))
    wide = functional.pad(images, (across, across, down, down), mode="reflect")
    high, broad = wide.shape[2:]
    y = torch.fft.fftfreq(high, device=images.device)[:, None]
    x = torch.fft.rfftfreq(broad, device=images.device)
    passed = disk(torch.hypot(x, y), radius) * aperture(torch.hypot(x, y), cutoff)
    if angle is not None and length:
        turned = angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y
        passed = (passed * torch.sinc(length * turned))[:, None]
    passed = passed.to(torch.promote_types(images.dtype, torch.float32))
    changed = torch.fft.irfft2(torch.fft.rfft2(wide.to(passed.dtype)) * passed, s=(high, broad))
    return changed[..., down : down + height, across : across + width].to(images.dtype)


def disk(frequency: Tensor, radius: float) -> Tensor:
    """What is left of each frequency, cycles a pixel, of a scene whose points become disks of this radius."""
    phase = 2 * math.pi * radius * frequency
    tiny = phase < 1e-3  # where the quotient says nothing
    return torch.where(tiny, 1 - phase.square() / 8, 2 * torch.special.bessel_j1(phase) / phase.where(~tiny, 1))


def aperture(frequency: Tensor, cutoff: float) -> Tensor:
    """The same of a lens that is sharp but for the bending of light at its aperture."""
    share = (frequency / cutoff).clamp(max=1)
    return 2 / math.pi * (share.acos() - share * (1 - share.square()).sqrt())
