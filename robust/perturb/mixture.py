"""Several perturbations together: one of them for each image, or chains of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robust.perturb.base import DrawnStrength, Perturbation, check_level
from robust.perturb.blur import GaussianBlur
from robust.perturb.occlusion import Erasing, Mesh, PixelDropout, Texture
from robust.perturb.random import ImageRandom, key
from robust.perturb.sensor import DeadPixels, GaussianNoise, HotPixels, MixedPixels, PixelFaults, StuckPixels
from robust.perturb.warp import Perspective, Rotation, Shear, Shift, Zoom
from robust.values.numbers import is_number, is_whole, plain

_STEPS = 10  # levels of a range: as many as a range of 1 to 10 faulty pixels has
_WHOLE: dict[str, type[PixelFaults]] = {way.fault: way for way in (StuckPixels, HotPixels, DeadPixels, MixedPixels)}
_DRAWN: dict[str, type[DrawnStrength]] = {
    way.name: way for way in (Shift, Zoom, Shear, Rotation, Perspective, Erasing, Mesh, Texture, PixelDropout)
}
_EVEN: dict[str, Callable[[float], Perturbation]] = {
    "noise": lambda level: GaussianNoise(std=level),
    "blur": lambda level: GaussianBlur(sigma=level),
    "blur_channels": lambda level: GaussianBlur(sigma=level, channels=True),
}


class Choice(Perturbation):
    """Perturbs each image in one of several `ways`, drawn evenly, and of that way's perturbations, one for each of its
    levels, by one drawn evenly."""

    ways: Sequence[Sequence[Perturbation]]

    def __init__(self, ways: Sequence[Sequence[Perturbation]], *, level: float):
        super().__init__()
        self.level, self.ways = level, ways
        self._all = [one for way in ways for one in way]
        self.moves = any(one.moves for one in self._all)

    @property
    def made_of(self) -> Mapping[str, str]:
        return {name: family for one in self._all for name, family in one.made_of.items()}

    def check(self, shape: tuple[int, int, int]) -> None:
        for one in self._all:
            one.check(shape)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`chosen`, shape (batch,): which perturbation each image gets; and `<place>.<name>`, the parameters of those
        images that get that one."""
        way = random.integers(len(self.ways))
        counts = torch.tensor([len(levels) for levels in self.ways], device=way.device)
        firsts = counts.cumsum(0) - counts
        chosen = firsts[way] + (random.uniform() * counts[way]).long()
        numbers = [number for number, levels in enumerate(self.ways) for _ in levels]
        parameters = {"chosen": chosen}
        for place in chosen.unique().tolist():
            own = ImageRandom(key("one of", numbers[place], random.key), random.indices[chosen == place])
            drawn = self._all[place].sample(own, shape)
            parameters.update({f"{place}.{name}": value for name, value in drawn.items()})
        return parameters

    def apply_transform(self, images: Tensor, *, chosen: Tensor, **parameters: Tensor) -> Tensor:
        perturbed = images.clone()
        for place in chosen.unique().tolist():
            mine = (chosen == place).nonzero()[:, 0]
            changed = self._all[place].apply_transform(images[mine], **under(place, parameters))
            perturbed = perturbed.index_copy(0, mine, changed)
        return perturbed

    def describe(self, parameters: Mapping[str, Tensor], place: int) -> dict[str, Any]:
        chosen = parameters["chosen"]
        number = int(chosen[place])
        return self._all[number].describe(under(number, parameters), int((chosen[:place] == number).sum()))


class OneOf(Choice):
    """Perturbs each image in one of several ways, drawn uniformly, at a level drawn uniformly in that way's range.

    `ranges` gives for each way (stuck, hot, dead, pixel, noise, blur, blur_channels, or one that draws its own
    strength, such as shift) its lowest and highest level; of those of noise and blur ten even steps are drawn. `level`,
    from 0 to 1, scales all of them. `ways` are the perturbations of each way, one for each of its levels. Raises
    ValueError for ranges of no such perturbation, or levels that it does not take.
    """

    name = "grid"

    def __init__(self, *, ranges: Mapping[str, tuple[float, float]], level: float = 1.0):
        level = check_level("level", level, "the share of each range that is used", most=1)
        if not ranges:
            raise ValueError("`ranges` must name at least one perturbation; got none.")
        super().__init__([_levels(name, bounds, scale=level) for name, bounds in ranges.items()], level=level)


class Environment(OneOf):
    """Perturbs each image in one of the ways of the environment: `OneOf`, with its own name in tables."""

    name = "environment"


class Chains(Perturbation):
    """Blends an image with `chains` copies of it, each of which went one to `longest` times through the perturbation
    `each`, whose level is this one's.

    The weights of the chains are drawn evenly (from a Dirichlet distribution of ones), as is the share of the image
    that stays (from 0 to 1). Raises ValueError for `chains` or `longest` that are no whole number >= 1. Source:
    Hendrycks et al. 2020 (arXiv 1912.02781).
    """

    name = "chains"

    def __init__(self, *, each: Perturbation, chains: int = 3, longest: int = 3):
        super().__init__()
        for setting, value in (("chains", chains), ("longest", longest)):
            if not is_whole(value, 1):
                raise ValueError(f"`{setting}` must be a whole number >= 1; got {value}.")
        self.each = each
        self.level, self.chains, self.longest = each.level, plain(chains), plain(longest)
        self.moves = each.moves

    @property
    def made_of(self) -> Mapping[str, str]:
        return self.each.made_of

    def check(self, shape: tuple[int, int, int]) -> None:
        self.each.check(shape)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`lengths` and `weights` of the chains, shape (batch, chains), `stays`, shape (batch,), and for each step
        `<step>.<name>`: the parameters of `each`, for the images' chains that are as long."""
        parts = -(1 - random.uniform(self.chains)).log()
        parameters = {
            "lengths": random.integers(self.longest, self.chains) + 1,
            "weights": parts / parts.sum(1, keepdim=True).clamp(min=1e-12),
            "stays": random.uniform(),
        }
        ways = (random.indices[:, None] + (torch.arange(self.chains, device=random.device) << 40)).flatten()
        for step in range(self.longest):
            goes = (parameters["lengths"] > step).flatten()
            drawn = self.each.sample(ImageRandom(key("augmix", step, random.key), ways[goes]), shape)
            parameters |= {f"{step}.{name}": value for name, value in drawn.items()}
        return parameters

    def apply_transform(
        self, images: Tensor, *, lengths: Tensor, weights: Tensor, stays: Tensor, **parameters: Tensor
    ) -> Tensor:
        moved = images.repeat_interleave(self.chains, 0)
        for step in range(self.longest):
            goes = (lengths > step).flatten().nonzero()[:, 0]
            if len(goes):
                changed = self.each.apply_transform(moved[goes], **under(step, parameters))
                moved = moved.index_copy(0, goes, changed)
        shares = (weights * (1 - stays)[:, None]).to(images.dtype)
        changes = moved.unflatten(0, (len(images), self.chains)) - images[:, None]
        change = (shares[..., None, None, None] * changes).sum(1)
        return (images + change).clamp(0, 1)

    def describe(self, parameters: Mapping[str, Tensor], place: int) -> dict[str, Any]:
        own = {name: parameters[name] for name in ("lengths", "weights", "stays")}
        return super().describe(own, place)


def under(place: int, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the parameters that are named `<place>.<name>`, by `name`."""
    prefix = f"{place}."
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}


def _levels(name: str, bounds: tuple[float, float], *, scale: float) -> list[Perturbation]:
    """A perturbation at each level of a range; whole levels are rounded up, so that only a scale of 0 gives 0."""
    if name not in (known := (*_WHOLE, *_EVEN, *_DRAWN)):
        raise ValueError(f"`ranges` must name perturbations among {', '.join(known)}; got {name!r}.")
    two = isinstance(bounds, Sequence) and len(bounds) == 2 and all(map(is_number, bounds))
    bounds = tuple(map(plain, bounds)) if two else bounds
    if not two or not 0 <= bounds[0] <= bounds[1] or (name in _WHOLE and any(one != int(one) for one in bounds)):
        rule = "two whole numbers" if name in _WHOLE else "two levels"
        raise ValueError(f"`ranges.{name}` must be {rule}, the lower one first, from 0; got {bounds}.")
    low, high = bounds
    if name in _WHOLE:
        return [_WHOLE[name](count=math.ceil(level * scale)) for level in range(int(low), int(high) + 1)]
    if name in _DRAWN:
        return [_DRAWN[name](level=high * scale, lowest=low / high if high else 0)]
    levels = [low + (high - low) * step / (_STEPS - 1) for step in range(_STEPS)]
    return [_EVEN[name](level * scale) for level in levels]
