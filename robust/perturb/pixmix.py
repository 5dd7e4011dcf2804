"""PixMix: pictures that show nothing are mixed in. Source: Hendrycks et al. 2022 (arXiv 2112.05135)."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from robust.perturb.augmix import DrawnOperation
from robust.perturb.base import Perturbation, check_level
from robust.perturb.families import operations
from robust.perturb.fractals import fractals
from robust.perturb.mixture import under
from robust.perturb.pictures import as_written, picture_files, read_picture
from robust.perturb.random import ImageRandom, key
from robust.values.numbers import is_number, plain

_FRACTALS = 300
_DRAWN = 128  # pixels of a fractal's side, at most; of larger pictures it is enlarged
_MARGIN = 36 / 32  # of a picture's side to that of an image, which is cut out of it
_BLACK = 1e-37  # what stands for it where it is raised to a power


class PixMix(Perturbation):
    """Mixes an image, or a copy of it after an operation, up to `rounds` times with another such copy or with a picture
    that shows nothing: their weighted sum, or the product of their powers.

    The pictures are fractals (see `fractals`), or those in a folder, `pictures`, and below it. The greater `beta`,
    above 0, the less is mixed in. Operations have a `severity` (see `DrawnOperation`). With no rounds nothing changes.
    Raises ValueError for others, and for a folder without pictures. What is mixed in has no gradient. Source: Hendrycks
    et al. 2022 (arXiv 2112.05135), whose pictures are fractals and what excites a network's features.
    """

    name = "pixmix"
    moves = True

    def __init__(self, *, rounds: int = 4, beta: float = 3, severity: float = 3, pictures: str | Path | None = None):
        super().__init__()
        self.level = check_level("rounds", rounds, "how often an image is mixed with another, at most", whole=True)
        if not (is_number(beta) and beta > 0):
            raise ValueError(f"`beta` must be a number above 0; got {beta!r}.")
        self.rounds, self.beta = int(self.level), plain(beta)
        self.operation = DrawnOperation(severity=severity)
        self._folder = None if pictures is None else Path(pictures).expanduser()
        self.read_from = as_written(self.pictures())

    def pictures(self) -> list[Path]:
        if self._folder is None:
            return []
        return picture_files(self._folder, what="pictures", instead="null for fractals")

    @property
    def made_of(self) -> Mapping[str, str]:
        return {**operations(self.name), **self.operation.made_of}

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """For each image, and its rounds: `count`, how many there are, of shape (batch,); `begins`, whether it begins
        with a copy after an operation; `picture`, where in all pictures the one for it begins, as numbers from 0 to 1,
        of shape (batch, 3); `copies`, whether its partner is a copy, `multiplies`, and the `weights` of both, of shapes
        (batch, rounds) and (batch, rounds, 2); and `<round>.<name>`, the operations, those of the beginning as 0."""
        raised, own, other = (random.uniform(self.rounds) ** (1 / self.beta) for _ in range(3))
        added = random.integers(2, self.rounds) == 0
        first = torch.where(added, raised, 2 - own)
        second = torch.where(added, 1 - other, other - 1)
        parameters = {
            "count": random.integers(self.rounds + 1),
            "begins": random.integers(2) == 1,
            "picture": random.uniform(3),
            "copies": random.integers(2, self.rounds) == 1,
            "multiplies": random.integers(2, self.rounds) == 1,
            "weights": torch.stack([first, second], dim=-1),
        }
        for place in range(self.rounds + 1):
            drawn = self.operation.sample(ImageRandom(key("pixmix", place, random.key), random.indices), shape)
            parameters |= {f"{place}.{name}": value for name, value in drawn.items()}
        return parameters

    def apply_transform(
        self,
        images: Tensor,
        *,
        count: Tensor,
        begins: Tensor,
        picture: Tensor,
        copies: Tensor,
        multiplies: Tensor,
        weights: Tensor,
        **operations: Tensor,
    ) -> Tensor:
        if not self.rounds or not len(images):
            return images.clone()

        def with_copies(given: Tensor, chosen: Tensor, place: int) -> Tensor:
            rows = chosen.nonzero()[:, 0]
            drawn = {name: value[rows] for name, value in under(place, operations).items()}
            return given.index_copy(0, rows, self.operation.apply_transform(images[rows], **drawn))

        mixed, pictures = with_copies(images, begins, 0), self._shown(images, picture)
        for step in range(self.rounds):
            goes = count > step
            partners = with_copies(pictures, goes & copies[:, step], step + 1).detach()
            for mix, chosen in ((_sum, goes & ~multiplies[:, step]), (_product, goes & multiplies[:, step])):
                rows = chosen.nonzero()[:, 0]
                own, other = weights[rows, step, :, None, None, None].to(images.dtype).unbind(1)
                mixed = mixed.index_copy(0, rows, mix(mixed[rows], partners[rows], own, other).clamp(0, 1))
        return mixed

    def _shown(self, images: Tensor, place: Tensor) -> Tensor:
        """A picture for each image, of its size: one that `place`, numbers from 0 to 1 of shape (batch, 3), chooses,
        cut out where it says; of images that are not in colour, grey."""
        channels, height, width = images.shape[1:]
        side = math.ceil(_MARGIN * max(height, width))
        pictures = _pictures(self.read_from, side, images.device)
        sizes = torch.tensor([len(pictures), side - height + 1, side - width + 1], device=images.device)
        which, top, left = (place * sizes).long().unbind(1)
        rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
        down, across = (top[:, None] + rows)[:, None, :, None], (left[:, None] + columns)[:, None, None]
        three = torch.arange(3, device=images.device)[:, None, None]
        shown = pictures[which[:, None, None, None], three, down, across].to(images.dtype) / 255
        return shown if channels == 3 else shown.mean(1, keepdim=True).expand_as(images).contiguous()


def _sum(one: Tensor, two: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """A weighted sum, about middle grey."""
    return (own * (2 * one - 1) + other * (2 * two - 1) + 1) / 2


def _product(one: Tensor, two: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """A product of powers, which leaves middle grey as it is."""
    return (2 * one).clamp(min=_BLACK) ** own * (2 * two).clamp(min=_BLACK) ** other / 2


@functools.lru_cache(maxsize=4)
def _pictures(files: tuple[tuple[Path, int], ...], side: int, device: torch.device) -> Tensor:
    """What is mixed in, uint8 of shape (count, 3, side, side): these pictures `as_written`, or without any fractals."""
    if files:
        return torch.stack([read_picture(file, side=side) for file, _ in files]).to(device)
    pictures = fractals(_FRACTALS, min(side, _DRAWN))
    if side > _DRAWN:
        pictures = functional.interpolate(pictures, size=(side, side), mode="bilinear")
    return pictures.to(device)
