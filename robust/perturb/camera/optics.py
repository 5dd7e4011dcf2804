"""What lens and movement do to a picture, as a product in the frequencies: each is known there in closed form."""

import functools
import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

#: micrometres, of green light
WAVELENGTH = 0.55
_SPARE = 2  # pixels beyond what a blur reaches
_TINY = 1e-4  # radians, of which sin x / x is 1 to the last bit of float32


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
    (top, bottom), (left, right) = (_mirrored(side, reach) for side in (height, width))
    wide = functional.pad(images, (left, right, top, bottom), mode="reflect")
    x, y, passed = _still(*wide.shape[2:], radius, cutoff, images.device)
    if angle is not None and length:
        turned = angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y
        phase = turned.mul_(math.pi * length).abs_().clamp_min_(_TINY)
        passed = (phase.sin() / phase).mul_(passed)[:, None]
    dtype = torch.promote_types(images.dtype, torch.float32)
    waves = torch.fft.rfft2(wide.to(dtype)).mul_(passed.to(dtype))
    rows = torch.fft.ifft(waves, dim=-2)[..., top : top + height, :]
    return torch.fft.irfft(rows, n=wide.shape[3])[..., left : left + width].to(images.dtype)


def _mirrored(side: int, reach: int) -> tuple[int, int]:
    """How many pixels are mirrored before and after a side: in all an even number that has small factors, of which a
    Fourier transform is up to nine times as fast as of its neighbours."""
    before = min(reach, side - 1)
    return before, min(2 * next_fast_len((side + 1) // 2 + before) - side - before, side - 1)


@functools.lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _still(
    height: int, width: int, radius: float, cutoff: float, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The frequencies across and down, cycles a pixel, and what of each passes where nothing moves."""
    y = torch.fft.fftfreq(height, device=device)[:, None]
    x = torch.fft.rfftfreq(width, device=device)
    return x, y, disk(torch.hypot(x, y), radius) * aperture(torch.hypot(x, y), cutoff)


def disk(frequency: Tensor, radius: float) -> Tensor:
    """What is left of each frequency, cycles a pixel, of a scene whose points become disks of this radius."""
    phase = (2 * math.pi * radius * frequency).clamp_min(_TINY)
    return 2 * torch.special.bessel_j1(phase) / phase


def aperture(frequency: Tensor, cutoff: float) -> Tensor:
    """The same of a lens that is sharp but for the bending of light at its aperture."""
    share = (frequency / cutoff).clamp(max=1)
    return 2 / math.pi * (share.acos() - share * (1 - share.square()).sqrt())
