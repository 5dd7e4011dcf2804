"""One perturbation of several for each image."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.drawn import DrawnStrength
from robust.perturb.geometry import Perspective, Rotation, Shear, Shift, Zoom
from robust.perturb.noise import GaussianNoise
from robust.perturb.occlusion import Erasing, Mesh, PixelDropout, Texture
from robust.perturb.pixels import DeadPixels, HotPixels, MixedPixels, StuckPixels
from robust.perturb.random import ImageRandom, key

_STEPS = 10  # levels of a range: as many as a range of 1 to 10 faulty pixels has
_WHOLE: dict[str, Callable[[int], Perturbation]] = {
    "stuck": lambda level: StuckPixels(count=level),
    "hot": lambda level: HotPixels(count=level),
    "dead": lambda level: DeadPixels(count=level),
    "pixel": lambda level: MixedPixels(count=level),
}
_CONTINUOUS: dict[str, Callable[[float], Perturbation]] = {
    "noise": lambda level: GaussianNoise(std=level),
    "blur": lambda level: GaussianBlur(sigma=level),
    "blur_channels": lambda level: GaussianBlur(sigma=level, channels=True),
}
_DRAWN: dict[str, type[DrawnStrength]] = {
    way.name: way for way in (Shift, Zoom, Shear, Rotation, Perspective, Erasing, Mesh, Texture, PixelDropout)
}


class OneOf(Perturbation):
    """Perturbs each image in one of several ways, drawn uniformly, at a level drawn uniformly in that way's range.

    `ranges` gives for each way (stuck, hot, dead, pixel, noise, blur, blur_channels, or one that draws its own
    strength, such as shift) its lowest and highest level; of those of noise and blur ten even steps are drawn. `level`,
    from 0 to 1, scales all of them.
    """

    name = "all"

    def __init__(self, *, ranges: Mapping[str, tuple[float, float]], level: float = 1.0):
        super().__init__()
        unit = "the share of each range that is used"
        self.level = check_level("level", level, unit)
        if level > 1:
            raise ValueError(f"`level` must be from 0 to 1; got {level}. It is {unit}.")
        if not ranges:
            raise ValueError("`ranges` must name at least one perturbation; got none.")
        self._ways = [_levels(name, bounds, scale=self.level) for name, bounds in ranges.items()]
        self.moves = any(perturbation.moves for way in self._ways for perturbation in way)

    def check(self, shape: tuple[int, int, int]) -> None:
        for way in self._ways:
            for perturbation in way:
                perturbation.check(shape)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`chosen`, shape (batch,): which perturbation each image gets; and `<place>.<name>`, the parameters of those
        images that get that one."""
        way = random.integers(len(self._ways))
        step = random.uniform()
        parameters = {"chosen": torch.empty_like(way)}
        for place, (number, level, perturbation) in enumerate(self._members()):
            mine = (way == number) & ((step * len(self._ways[number])).long() == level)
            parameters["chosen"][mine] = place
            if mine.any():
                own = ImageRandom(key("one of", number, random.key), random.indices[mine])
                drawn = perturbation.sample(own, shape)
                parameters.update({f"{place}.{name}": value for name, value in drawn.items()})
        return parameters

    def apply(self, images: Tensor, *, chosen: Tensor, **parameters: Tensor) -> Tensor:  # type: ignore[override]
        perturbed = images.clone()
        for place, (_, _, perturbation) in enumerate(self._members()):
            mine = (chosen == place).nonzero()[:, 0]
            if len(mine):
                prefix = f"{place}."
                own = {
                    name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)
                }
                perturbed = perturbed.index_copy(0, mine, perturbation.apply(images[mine], **own))
        return perturbed

    def describe(self, parameters: Mapping[str, Tensor], place: int) -> dict[str, Any]:
        chosen = parameters["chosen"]
        number = int(chosen[place])
        _, _, perturbation = list(self._members())[number]
        prefix = f"{number}."
        own = {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
        return perturbation.describe(own, int((chosen[:place] == number).sum()))

    def _members(self) -> list[tuple[int, int, Perturbation]]:
        """Every perturbation that may be drawn, with the numbers of its way and its level."""
        return [
            (number, level, perturbation)
            for number, way in enumerate(self._ways)
            for level, perturbation in enumerate(way)
        ]


class World(OneOf):
    """One of what happens to a picture in the world outside, for each image."""

    name = "world"


def _levels(name: str, bounds: tuple[float, float], *, scale: float) -> list[Perturbation]:
    """A perturbation at each level of a range; whole levels are rounded up, so that only a scale of 0 gives 0."""
    if name not in (*_WHOLE, *_CONTINUOUS, *_DRAWN):
        known = ", ".join([*_WHOLE, *_CONTINUOUS, *_DRAWN])
        raise ValueError(f"`ranges` must name perturbations among {known}; got {name!r}.")
    two = isinstance(bounds, Sequence) and len(bounds) == 2
    if not two or not 0 <= bounds[0] <= bounds[1] or (name in _WHOLE and any(one != int(one) for one in bounds)):
        rule = "two whole numbers" if name in _WHOLE else "two levels"
        raise ValueError(f"`ranges.{name}` must be {rule}, the lower one first, from 0; got {bounds}.")
    low, high = bounds
    if name in _WHOLE:
        return [_WHOLE[name](math.ceil(level * scale)) for level in range(int(low), int(high) + 1)]
    if name in _DRAWN:
        return [_DRAWN[name](level=high * scale, lowest=low / high if high else 0)]
    levels = [low + (high - low) * step / (_STEPS - 1) for step in range(_STEPS)]
    return [_CONTINUOUS[name](level * scale) for level in levels]
