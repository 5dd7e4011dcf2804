"""Frost on the lens: photographs of it, or a drawn texture, which has a name of its own."""

import functools
import importlib.util
import os
from pathlib import Path

import torch
from torch import Tensor

from robust.perturb.corruptions.corruption import Corruption, in_channels
from robust.perturb.corruptions.weather import plasma
from robust.perturb.filters import filtered
from robust.perturb.pictures import as_written, picture_files, read_picture
from robust.perturb.random import ImageRandom

_PACKAGE = "torch_uncertainty_assets"
_OF_PACKAGE = ("frost1", "frost2", "frost2", "frost3", "frost4")  # published: the second and third are the same one
_NEVER = "frost6"  # published, but never drawn
_MEAN, _DEVIATION = 0.6, 0.17  # of drawn frost: about those of the photographs
_DECAY = 1.6  # of its features
_ICE = (0.92, 0.97, 1.0)  # red, green and blue of white ice


class Frost(Corruption):
    """Lays a part of a photograph of frost over the picture: `frost`.

    `pictures` is a folder of photographs. Without one they are those in `frost` among the data (ROBUST_DATA), or those
    of the package torch-uncertainty-assets, which are the published ones stored as JPEG. They are made smaller for
    small pictures, as published, and larger where they would not cover the picture. Raises FileNotFoundError where
    there is neither, ValueError for a folder without photographs, or one that cannot be read.
    """

    name = "frost"

    def __init__(self, *, severity: float, pictures: str | None = None):
        super().__init__(severity=severity)
        self._folder = None if pictures is None else Path(pictures)
        self.read_from = as_written(self.pictures())
        _photographs(self.read_from)  # now: an error comes before the work

    def pictures(self) -> tuple[Path, ...]:
        return _files_of(self._folder)

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        return {"which": random.integers(len(self.read_from)), "down": random.uniform(), "across": random.uniform()}

    def corrupt(
        self, images: Tensor, kept: float, added: float, scale: float, *, which: Tensor, down: Tensor, across: Tensor
    ) -> Tensor:
        _, channels, height, width = images.shape
        values, places = _scaled(self.read_from, scale, height, width, images.device)
        first, high, wide = places[which].unbind(1)
        top, left = ((one * room).long() for one, room in ((down, high - height), (across, wide - width)))
        y, x = (torch.arange(side, device=images.device) for side in (height, width))
        rows = (first + top * wide + left)[:, None] + y * wide[:, None]
        frost = values[:, rows[:, :, None] + x].movedim(0, 1)
        return kept * images + added * in_channels(frost, channels).to(images.dtype)


class DrawnFrost(Corruption):
    """Lays drawn veins of ice over the picture, as strongly as `Frost` does its photographs: `frost_drawn`. It is none
    of the published corruptions."""

    name = "frost_drawn"
    constants_of = Frost.name

    def draw(self, random: ImageRandom, shape: tuple[int, int, int], *constants: float) -> dict[str, Tensor]:
        side = max(1 << (max(shape[1:]) - 1).bit_length(), 2)
        return {"field": 2 * random.uniform(2, side, side) - 1}

    def corrupt(self, images: Tensor, kept: float, added: float, scale: float, *, field: Tensor) -> Tensor:
        _, channels, height, width = images.shape
        clouds = plasma(field.flatten(0, 1), _DECAY).unflatten(0, (-1, 2))[..., :height, :width]
        veins = (1 - (2 * clouds - 1).abs()).square().sum(1)  # sharp where the clouds pass their middle
        off = veins - veins.mean((1, 2), keepdim=True)
        spread = off.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-6)
        white = (_MEAN + _DEVIATION * off / spread).clamp(0, 1)
        ice = white[:, None] * white.new_tensor(_ICE)[:, None, None]
        return kept * images + added * in_channels(ice, channels).to(images.dtype)


def _files_of(given: Path | None) -> tuple[Path, ...]:
    """Photographs of frost, each as often as it is drawn."""
    folder = given or Path(os.environ.get("ROBUST_DATA", "data")) / "frost"
    if given is not None or folder.is_dir():
        found = picture_files(folder, what="photographs of frost", instead="`frost_drawn`, which needs none")
        return tuple(one for one in found if one.stem != _NEVER)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        return tuple(Path(spec.submodule_search_locations[0]) / "frost" / f"{one}.jpg" for one in _OF_PACKAGE)
    raise FileNotFoundError(
        "frost needs photographs of it, and there are none. Get them: pip install 'robust[frost]', or put some into "
        f"{folder}. `frost_drawn` needs none."
    )


@functools.lru_cache(maxsize=4)
def _photographs(files: tuple[tuple[Path, int], ...]) -> dict[Path, Tensor]:
    """The photographs `as_written`, in 8 bits, (3, height, width). Raises ValueError where one cannot be read."""
    return {file: read_picture(file) for file, _ in dict.fromkeys(files)}


@functools.lru_cache(maxsize=8)
def _scaled(
    files: tuple[tuple[Path, int], ...], scale: float, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """All photographs, scaled and at least as large as a picture, one after the other: their values, (3, pixels), and
    of each file, (files, 3), where it begins, its height and its width."""
    photographs, parts, begins, first = _photographs(files), [], {}, 0
    for file, photograph in photographs.items():
        before = photograph.shape[1:]
        factor = max(scale, height / before[0], width / before[1])
        matrices = (
            _shrinking(side, max(round(side * factor), least), factor)
            for side, least in zip(before, (height, width), strict=True)
        )
        smaller = filtered(photograph.float() / 255, *matrices)
        parts.append(smaller.flatten(1))
        begins[file] = (first, *smaller.shape[1:])
        first += parts[-1].shape[1]
    return torch.cat(parts, 1).to(device), torch.tensor([begins[file] for file, _ in files], device=device)


def _shrinking(before: int, after: int, factor: float) -> Tensor:
    """The float64 matrix, (after, before), of bilinear scaling as OpenCV does it: pixels between are left out."""
    places = ((torch.arange(after).double() + 0.5) / factor - 0.5).clamp(0, before - 1)
    low = places.floor().long().clamp(max=max(before - 2, 0))
    share = (places - low)[:, None]
    matrix = torch.zeros(after, before, dtype=torch.float64).scatter_(1, low[:, None], 1 - share)
    return matrix.scatter_add_(1, (low[:, None] + 1).clamp(max=before - 1), share)
