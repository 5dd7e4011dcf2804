"""What JPEG makes of pictures, in whole numbers, batched and on any device: what the IJG's library stores and reads
again, less the lossless part in between.

Source: ITU-T T.81 (the standard, with its tables K.1 and K.2) and T.871 (colours); the transform in 13-bit arithmetic
is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), as that library rounds it.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.corruptions.corruption import as_if_left

_BLOCK, _COLOURS = 8, 3
_BITS, _KEPT = 13, 2  # of the transform's constants; of its first pass's results behind the point
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32),
)
# in 65536ths: what red, green and blue add to luma and to both chromas
_TO_LUMA = (19595, 38470, 7471)
_TO_CHROMA = ((-11059, -21709, 32768), (32768, -27439, -5329))
_FROM_CHROMA = ((0, 91881), (-22554, -46802), (116130, 0))  # to red, green and blue
_ONE = 65536


def through_jpeg(images: Tensor, quality: int) -> Tensor:
    """Images as they are read after they were stored with this quality, from 1 to 100: floating-point in [0, 1], shape
    (batch, channels, height, width), before and after; those in neither one nor three channels are stored channel by
    channel. The gradient is that of leaving them as they are, since what is stored are whole numbers."""
    with torch.no_grad():
        pictures = (images.float() * 255).round_()
        if images.device.type == "mps":  # which has no float64
            pictures = pictures.cpu()
        if images.shape[1] not in (1, _COLOURS):
            pictures = pictures.flatten(0, 1)[:, None]
        stored = as_jpeg(pictures, quality).div_(255).view(images.shape)
    return as_if_left(stored.to(images.device), images)


def as_jpeg(pictures: Tensor, quality: int) -> Tensor:
    """Pictures as they are read after they were stored with this quality, from 1 to 100, chroma at half the resolution:
    float32 whole numbers from 0 to 255, shape (batch, 1 or 3, height, width), before and after."""
    if pictures.shape[1] != _COLOURS:
        return _coded(pictures[:, 0], _LUMA, quality)[:, None]
    height, width = pictures.shape[2:]
    colours = pictures.unbind(1)
    luma = _coded(_summed(colours, _TO_LUMA, _ONE // 2), _LUMA, quality)
    chroma = torch.cat([_summed(colours, one, 128 * _ONE + _ONE // 2 - 1) for one in _TO_CHROMA])
    chroma = _coded(_halved(chroma), _CHROMA, quality)[..., : (width + 1) // 2]
    both = _doubled(chroma)[:, :height, :width].sub_(128).chunk(2)
    added = (_summed(both, one, _ONE // 2) for one in _FROM_CHROMA)
    return torch.stack([one.add_(luma) for one in added], 1).clamp_(0, 255)


def _summed(planes: Sequence[Tensor], weights: Sequence[int], more: int) -> Tensor:
    """A weighted sum in 65536ths, and more, rounded down; float32 has it exactly, since it is below 256."""
    total = torch.full_like(planes[0], more / _ONE)
    for plane, weight in zip(planes, weights, strict=True):
        if weight:
            total.add_(plane, alpha=weight / _ONE)
    return total.floor_()


def _halved(planes: Tensor) -> Tensor:
    """Means of two by two pixels, as wide as whole blocks; what is half is rounded down and up in turn."""
    height, width = planes.shape[1:]
    planes = _continued(planes, height + height % 2, width + -width % (2 * _BLOCK))
    rows = planes[:, ::2] + planes[:, 1::2]
    turns = torch.tensor([1.0, 2.0], device=planes.device).repeat(rows.shape[2] // 4)
    return (rows[..., ::2] + rows[..., 1::2]).add_(turns).div_(4).floor_()


def _doubled(planes: Tensor) -> Tensor:
    """Planes twice as large, each new pixel nine parts the nearest old one, three each of the next two, one the
    fourth; of two columns and fewer, that one alone."""
    if planes.shape[2] <= 2:
        return planes.repeat_interleave(2, 1).repeat_interleave(2, 2)
    rows = _continued(planes, planes.shape[1] + 1, 0)
    above = torch.cat([planes[:, :1], planes[:, :-1]], 1)
    tall = torch.stack([3 * planes + above, 3 * planes + rows[:, 1:]], 2).flatten(1, 2)
    before = torch.cat([tall[..., :1], tall[..., :-1]], 2)
    after = torch.cat([tall[..., 1:], tall[..., -1:]], 2)
    wide = torch.stack([(3 * tall + before).add_(8), (3 * tall + after).add_(7)], 3).flatten(2)
    return wide.div_(16).floor_()


def _coded(planes: Tensor, table: Sequence[int], quality: int) -> Tensor:
    """Planes after their blocks were transformed, rounded as the table says for this quality, and transformed back."""
    height, width = planes.shape[1:]
    values = _continued(planes, height + -height % _BLOCK, width + -width % _BLOCK).double().sub_(128)
    steps = _steps(table, quality).to(values.device).repeat(values.shape[1] // _BLOCK, values.shape[2] // _BLOCK)
    values = _down(_across(values, _forward(), _BITS - _KEPT), _forward(), _BITS + _KEPT)
    stored = values.div_(8 * steps)  # the transform is eight times as large as it should be
    stored = stored.add_(torch.full_like(stored, 0.5).copysign_(stored)).trunc_().mul_(steps)
    values = _across(_down(stored, _backward(), _BITS - _KEPT), _backward(), _BITS + _KEPT + 3)
    return values.add_(128).clamp_(0, 255).float()[:, :height, :width]


def _across(values: Tensor, matrix: Tensor, bits: int) -> Tensor:
    """Each block's rows, times the matrix, less so many bits, rounded."""
    matrix = _repeated(matrix, values.shape[2], bits).to(values.device)
    return (values.unflatten(2, (-1, len(matrix))) @ matrix.T).flatten(2).add_(0.5).floor_()


def _down(values: Tensor, matrix: Tensor, bits: int) -> Tensor:
    """The same of its columns."""
    matrix = _repeated(matrix, values.shape[1], bits).to(values.device)
    return (matrix @ values.unflatten(1, (-1, len(matrix)))).flatten(1, 2).add_(0.5).floor_()


def _repeated(matrix: Tensor, side: int, bits: int) -> Tensor:
    """The matrix, less so many bits, for two blocks at once where so many pixels are an even number of them."""
    return torch.block_diag(*[matrix / (1 << bits)] * (1 + (side % (2 * _BLOCK) == 0)))


@functools.cache
def _steps(table: Sequence[int], quality: int) -> Tensor:
    """How coarsely each frequency is kept, float64, (8, 8)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(table).double() * percent + 50) / 100).floor().clamp(1, 255).view(_BLOCK, _BLOCK)


@functools.cache
def _forward() -> Tensor:
    """The transform of eight values, in 2**13ths, float64."""
    x = [*torch.eye(_BLOCK, dtype=torch.float64)]
    s, d = ([one(x[place], x[7 - place]) for place in range(4)] for one in (torch.add, torch.sub))
    even = s[0] + s[3], s[0] - s[3], s[1] + s[2], s[1] - s[2]
    turned = (even[1] + even[3]) * 4433
    z = [(d[3] + d[0]) * -7373, (d[2] + d[1]) * -20995, (d[3] + d[1]) * -16069, (d[2] + d[0]) * -3196]
    both = (d[3] + d[1] + d[2] + d[0]) * 9633
    rows = [
        (even[0] + even[2]) * 8192,
        d[0] * 12299 + z[0] + z[3] + both,
        turned + even[1] * 6270,
        d[1] * 25172 + z[1] + z[2] + both,
        (even[0] - even[2]) * 8192,
        d[2] * 16819 + z[1] + z[3] + both,
        turned + even[3] * -15137,
        d[3] * 2446 + z[0] + z[2] + both,
    ]
    return torch.stack(rows)


@functools.cache
def _backward() -> Tensor:
    """The transform back, which is the other's transpose."""
    return _forward().T.contiguous()


def _continued(planes: Tensor, height: int, width: int) -> Tensor:
    """Planes of at least this height and width, their last rows and columns going on."""
    down, right = max(height - planes.shape[1], 0), max(width - planes.shape[2], 0)
    return functional.pad(planes[:, None], (0, right, 0, down), mode="replicate")[:, 0] if down or right else planes
