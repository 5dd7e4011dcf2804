"""What a picture, and what a network says of it, come to: a few figures that change with what was done to it."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from robust.errors import check
from robust.restore import Median

#: the first of the features, which are of the network's answer
FEATURES_OF_NETWORK = 4
_BANDS = (0, 0.15, 0.3, 0.5, 0.75, 1, 2)  # of frequency; 1: that of Nyquist along a side
_STICKS_OUT = 0.2  # from the median around
_STEP = 1 / 510  # half of one in 8 bits
_LEAST = 1e-5  # of a power, before its logarithm
_COARSE = 4  # parts of a side


def features(logits: Tensor, images: Tensor) -> Tensor:
    """Figures of each image, float in [0, 1] of shape (n, channels, height, width), and of the network's logits for it,
    shape (n, classes): float of shape (n, features). The first FEATURES_OF_NETWORK are of the logits: confidence, its
    lead over the second class, entropy, and the logarithm of the sum of exponentials.

    Those of the picture: brightness, contrast, values at both ends; what sticks out from the median around, second and
    first differences, power by frequency (noise, faulty pixels, blur, patterns); where its contrast lies and how it is
    spread (shifts, turns, zoom), a coarse copy (hiding), and in colour the means of the channels. Their means over many
    pictures tell what was done to these. Raises ValueError for images of less than 8 pixels a side.
    """
    check("images", tuple(images.shape), "at least 8 pixels high and wide", min(images.shape[2:]) >= 8)
    grey = images.mean(1)
    found = [*_of_logits(logits), *_of_values(grey), *_of_differences(grey), *_of_places(grey), *_of_powers(grey)]
    if images.shape[1] > 1:
        found += [*images.mean((2, 3)).T, images.std(1).mean((1, 2))]
    return torch.stack(found, 1)


def _of_logits(logits: Tensor) -> list[Tensor]:
    shares = logits.softmax(1)
    first, second = shares.topk(2, 1).values.T
    return [first, first - second, torch.special.entr(shares).sum(1), logits.logsumexp(1)]


def _of_values(grey: Tensor) -> list[Tensor]:
    ends = [(grey <= _STEP), (grey >= 1 - _STEP)]
    edge = torch.cat([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1)
    coarse = functional.adaptive_avg_pool2d(grey[:, None], _COARSE).flatten(1).T
    return [
        *(grey.mean((1, 2)), grey.std((1, 2)), *(one.float().mean((1, 2)) for one in ends)),
        *(edge.mean(1), edge.std(1), *coarse, *coarse.square()),
    ]


def _of_differences(grey: Tensor) -> list[Tensor]:
    out = grey - Median(size=3)(grey[:, None])[:, 0]
    kernel = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]], device=grey.device)[None, None] / 6
    second = functional.conv2d(grey[:, None], kernel)[:, 0].abs()
    across, down = (grey.diff(dim=side).abs() for side in (2, 1))
    return [
        *((out > _STICKS_OUT).float().mean((1, 2)), (out < -_STICKS_OUT).float().mean((1, 2))),
        *(one for some in (out.abs(), second) for one in (some.mean((1, 2)), some.flatten(1).median(1).values)),
        *(some.square().mean((1, 2)).sqrt() for some in (second, across, down)),
        *(across.mean((1, 2)), down.mean((1, 2)), across.amax((1, 2))),
    ]


def _of_places(grey: Tensor) -> list[Tensor]:
    """Moments of how far values lie from the median, over the picture's sides from -1 to 1."""
    weights = (grey - grey.flatten(1).median(1).values[:, None, None]).abs()
    weights = weights / weights.sum((1, 2), keepdim=True).clamp_min(_LEAST)
    down, across = (torch.linspace(-1, 1, side, device=grey.device) for side in grey.shape[1:])
    x, y = (weights * across).sum((1, 2)), (weights * down[:, None]).sum((1, 2))
    from_x, from_y = across - x[:, None], down - y[:, None]
    xx = (weights * from_x[:, None].square()).sum((1, 2))
    yy = (weights * from_y[:, :, None].square()).sum((1, 2))
    xy = (weights * from_x[:, None] * from_y[:, :, None]).sum((1, 2))
    moments = [x, y, xx, yy, xy]
    return [*moments, *(one.square() for one in moments), (xx * yy - xy.square()).clamp_min(0).sqrt()]


def _of_powers(grey: Tensor) -> list[Tensor]:
    """Logarithms of the power in bands of frequency, along both axes, and where it is greatest."""
    height, width = grey.shape[1:]
    power = torch.fft.rfft2(grey - grey.mean((1, 2), keepdim=True)).abs().square() / (height * width)
    down, across = torch.fft.fftfreq(height, device=grey.device), torch.fft.rfftfreq(width, device=grey.device)
    frequency = 2 * torch.hypot(down[:, None], across)
    bands = [power[:, (frequency >= low) & (frequency < high)].mean(1) for low, high in itertools.pairwise(_BANDS)]
    found = [*bands, power[:, :, 0].mean(1), power[:, 0].mean(1), power.flatten(1).amax(1)]
    return [(one + _LEAST).log() for one in found]
