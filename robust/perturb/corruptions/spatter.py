"""Water or mud on the lens."""

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.corruptions.blur import blurred
from robust.perturb.corruptions.corruption import Corruption, in_channels
from robust.perturb.random import ImageRandom

_WATER, _MUD = (175, 238, 238), (63, 42, 20)  # of 255: red, green and blue
_THICK = 0.8  # of mud, from which it is seen
_WEAK, _STRONG = 50, 150  # gradients, in grey levels, of an edge
_TANGENT = 13573  # of 22.5 degrees, times 2**15
_STEPS = (65536, 91750, 143976)  # to the next pixel, across a corner, as a knight moves; times 2**16
_FAR = 20  # pixels from an edge, at most
_RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))  # lights an edge from one side


class Spatter(Corruption):
    """Throws drops of water, or mud, at the lens: `spatter`. Drops are light, and lighter towards one side of their
    edges; mud covers what is behind it."""

    name = "spatter"
    values_at_a_time = 1 << 20  # goes over them row by row

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"field": random.normal(*shape[1:])}

    def corrupt(self, images: Tensor, *constants: float, field: Tensor) -> Tensor:
        mean, deviation, sigma, least, strength, mud = constants
        liquid = blurred((mean + deviation * field.double())[:, None], sigma)[:, 0]
        if mud >= 0.5:
            covers = blurred((liquid > least).to(liquid)[:, None], strength)
            covers = torch.where(covers < _THICK, 0, covers).to(images.dtype)
            return images * (1 - covers) + covers * self._colour(_MUD, images)
        drops = torch.where(liquid < least, 0, liquid).mul(255).int() % 256  # what is brighter than white begins anew
        light = drops * relief(drops)
        light = light / light.amax((1, 2), keepdim=True).clamp_min(1e-12) * strength
        return images + light[:, None].to(images.dtype) * self._colour(_WATER, images)

    @staticmethod
    def _colour(colour: tuple[int, ...], images: Tensor) -> Tensor:
        return in_channels(images.new_tensor(colour)[None, :, None, None] / 255, images.shape[1])


def relief(drops: Tensor) -> Tensor:
    """How light each place is about the edges of these grey levels from 0 to 255, int32, (batch, height, width); whole
    numbers from 0 to 255: how far the next edge is, evened out over the levels, lit from one side."""
    far = _FAR * _STEPS[0]
    near = equalized(_box(to_edge(edges(drops)).clamp(max=far)) // (9 * _STEPS[0]))
    padded = _mirrored(near)
    lit = torch.zeros_like(near)
    for y, weights in enumerate(_RELIEF):
        for x, weight in enumerate(weights):
            if weight:
                lit += weight * padded[:, y : y + lit.shape[1], x : x + lit.shape[2]]
    return (_box(lit.clamp(0, 255)) + 4) // 9


def edges(grey: Tensor) -> Tensor:
    """The edges in pictures of grey levels, int32, (batch, height, width), boolean: Canny's, with the gradients of
    Sobel over three pixels, between 50 and 150."""
    padded = functional.pad(grey[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0].int()
    high = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    wide = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across, down = high[:, :, 2:] - high[:, :, :-2], wide[:, 2:] - wide[:, :-2]
    size = across.abs() + down.abs()
    around = functional.pad(size, (1, 1, 1, 1))

    def beside(y: int, x: int) -> Tensor:
        return around[:, 1 + y : around.shape[1] - 1 + y, 1 + x : around.shape[2] - 1 + x]

    flat, steep = across.abs() * _TANGENT, down.abs() << 15  # at most 1020 x 2**16
    is_flat, is_steep = steep < flat, steep > flat + (across.abs() << 16)
    falls = (across ^ down) < 0
    most = torch.where(
        is_flat,
        (size > beside(0, -1)) & (size >= beside(0, 1)),
        torch.where(
            is_steep,
            (size > beside(-1, 0)) & (size >= beside(1, 0)),
            torch.where(
                falls,
                (size > beside(-1, 1)) & (size > beside(1, -1)),
                (size > beside(-1, -1)) & (size > beside(1, 1)),
            ),
        ),
    )
    weak = most & (size > _WEAK)
    found = weak & (size > _STRONG)
    while True:  # an edge goes on along weak ones
        wide = functional.pad(found, (1, 1, 1, 1))
        wide = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
        grown = weak & (wide[:, :, :-2] | wide[:, :, 1:-1] | wide[:, :, 2:])
        if torch.equal(grown, found):
            return found
        found = grown


def to_edge(found: Tensor) -> Tensor:
    """How far each pixel is from the next that is True, (batch, height, width), int32, 65536 for a pixel: the shortest
    way of steps to neighbours (1), across corners (1.4) and as a knight moves (2.1969); 2**29 where there is none."""
    straight, corner, knight = _STEPS
    height, width = found.shape[1:]
    none = 1 << 29
    ways = torch.full((len(found), height + 4, width + 4), none, dtype=torch.int32, device=found.device)
    inner = ways[:, 2:-2, 2:-2]
    inner[found] = 0
    count = torch.arange(width, device=found.device, dtype=torch.int32) * straight

    def pass_over(ways: Tensor) -> None:
        """From the first row on, and from left to right in each."""
        for row in range(2, height + 2):
            above, second = ways[:, row - 1], ways[:, row - 2]
            best = torch.minimum(above[:, 1 : width + 1], above[:, 3 : width + 3]) + corner
            best = torch.minimum(best, above[:, 2 : width + 2] + straight)
            knights = torch.minimum(above[:, :width], above[:, 4:])
            knights = torch.minimum(knights, torch.minimum(second[:, 1 : width + 1], second[:, 3 : width + 3]))
            best = torch.minimum(torch.minimum(best, knights + knight), ways[:, row, 2:-2])
            ways[:, row, 2:-2] = (best - count).cummin(1).values + count

    pass_over(ways)
    turned = ways.flip(1, 2)
    pass_over(turned)
    return turned.flip(1, 2)[:, 2:-2, 2:-2].clamp(max=none)


def equalized(levels: Tensor) -> Tensor:
    """Grey levels from 0 to 255, int32, (batch, height, width), spread so that each share of the pixels takes as large
    a share of the range."""
    flat = levels.flatten(1).long()
    places = flat + 256 * torch.arange(len(flat), device=flat.device)[:, None]
    counts = torch.bincount(places.flatten(), minlength=256 * len(flat)).view(-1, 256).float()
    first = (counts > 0).int().argmax(1, keepdim=True)
    least = counts.gather(1, first)
    rest = flat.shape[1] - least
    spread = (counts.cumsum(1) - least) * (255 / rest.clamp_min(1))
    table = torch.where(rest > 0, spread.round(), first.float()).clamp_min(0).int()
    return table.flatten()[places].view_as(levels)


def _mirrored(grey: Tensor) -> Tensor:
    """Pictures with a pixel more on each side: mirrored about those of the border."""
    for dim in (1, 2):
        last = grey.shape[dim] - 1
        first = min(1, last)
        grey = torch.cat([grey.narrow(dim, first, 1), grey, grey.narrow(dim, last - first, 1)], dim)
    return grey


def _box(grey: Tensor) -> Tensor:
    """The sum over each pixel and its eight neighbours."""
    padded = _mirrored(grey)
    high = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return high[:, :, :-2] + high[:, :, 1:-1] + high[:, :, 2:]
