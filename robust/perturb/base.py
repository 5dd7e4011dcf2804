"""What every perturbation is: sample its parameters, then transform images by them."""

import contextlib
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust.perturb.families import operations
from robust.perturb.gate import sound, try_out
from robust.perturb.pictures import as_written
from robust.perturb.random import ImageRandom, key
from robust.values.numbers import is_number, is_whole, plain

_AUTOCAST = ("cpu", "cuda", "mps", "xpu")  # devices that know it
_TAKEN = ("natural", "none")  # what tables call images, and trainings, without a perturbation
_FEW = 64  # numbers that are drawn for an image and worth telling


class Perturbation(nn.Module):
    """Changes images so that their class stays the same.

    Two steps: `sample` draws parameters with keyed random numbers, `apply_transform` is a pure and differentiable
    function of the images and those parameters. Calling the module does both. Images are floating-point in [0, 1],
    shape (batch, channels, height, width), before and after; device and dtype are kept.
    """

    #: the word used in configuration, tables and figures
    name: str
    #: how strong it is, in its own unit; 0 changes nothing
    level: float
    #: of one of your own: the family of perturbations (see FAMILIES) that it is of; "" for none but itself
    family: str = ""
    #: whether it moves what is in a picture
    moves: bool = False
    #: False where the same image always gives the same result, so that one trial says all
    random: bool = True
    #: False where values may leave [0, 1], which only networks that were trained so expect
    bounded: bool = True
    #: of images that are perturbed together on a CPU, where all at once are slower
    values_at_a_time: int | None = None
    #: the pictures that it read, and when each was written; where these change, tests under it are made again
    read_from: tuple[tuple[Path, int], ...] = ()

    @property
    def made_of(self) -> Mapping[str, str]:
        """The operations that it is made of, each with its family: what a network has seen that was trained on it."""
        return operations(self.name, family=self.family)

    @property
    def settled(self) -> str:
        """What it was made with that neither its name nor its level says: where that changes, tests under it are made
        again."""
        return ""

    def pictures(self) -> Sequence[Path]:
        """The files of pictures that it would read now, in their order."""
        return ()

    def is_current(self) -> bool:
        """Whether it, made anew, would read the same pictures as it did."""
        parts = (one for one in self.modules() if isinstance(one, Perturbation))
        try:
            return all(as_written(one.pictures()) == one.read_from for one in parts)
        except (OSError, ValueError):
            return False

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raises ValueError if images of this shape (channels, height, width) cannot be perturbed so."""

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """Parameters for each image of a batch with images of `shape` (channels, height, width)."""
        return {}

    def apply_transform(self, images: Tensor, *_: Any, **parameters: Any) -> Tensor:
        """The perturbed images, given what `sample` drew; no randomness, no checks."""
        raise NotImplementedError

    def describe(self, parameters: Mapping[str, Tensor], place: int) -> dict[str, Any]:
        """What was done to one image of a batch: `perturbation`, `level`, and what was drawn for it, less what is as
        large as the picture."""
        drawn = {name: value[min(place, len(value) - 1)] for name, value in parameters.items()}
        few = {name: value.tolist() for name, value in drawn.items() if value.numel() <= _FEW}
        return {"perturbation": self.name, "level": self.level, **few}

    def perturb(self, images: Tensor, random: ImageRandom) -> Tensor:
        """`sample` and `apply_transform`, for images that are known to be sound, in their own precision. Raises
        ValueError where what comes back of a perturbation of the user's own is not."""
        _, channels, height, width = images.shape
        many = len(images)
        if self._is_ours and self.values_at_a_time and images.device.type == "cpu" and not images.requires_grad:
            many = max(1, self.values_at_a_time // max(1, channels * height * width))
        with _without_autocast(images.device.type):
            if many >= len(images):
                changed = self.apply_transform(images, **self.sample(random, (channels, height, width)))
            else:
                each = zip(images.split(many), random.split(many), strict=True)
                changed = together(
                    (self.apply_transform(some, **self.sample(own, (channels, height, width))) for some, own in each),
                    len(images),
                )
        return changed if self._is_ours else sound(changed, images, self.name, bounded=self.bounded)

    @functools.cached_property
    def _is_ours(self) -> bool:
        """Whether it and all its parts are this library's, whose results its tests look at: a look at each batch costs
        a tenth of the time, and on a GPU waits for it."""
        return all(type(one).__module__.startswith("robust.") for one in self.modules())

    def try_out(self, shape: tuple[int, int, int]) -> None:
        """Raises ValueError if images of this shape (channels, height, width) cannot be perturbed so, or if this
        perturbation breaks a promise (see `gate.try_out`). It is tried once at each level."""
        _check_names(self)
        self.check(shape)
        device = next((one.device for one in chain(self.parameters(), self.buffers())), torch.device("cpu"))
        tried = self.__dict__.setdefault("_tried", set())
        if (now := (shape, device, float(self.level))) in tried:
            return
        about: Any = {"device": device, "bounded": self.bounded}
        try_out(lambda images, places: self.perturb(images, ImageRandom(0, places)), shape, self.name, **about)
        tried.add(now)

    def forward(self, images: Tensor, *, seed: int | None = None, indices: Tensor | None = None) -> Tensor:
        """The perturbed images, for any caller.

        The same `seed` and index give an image the same perturbation, whatever else is in the batch. Without `seed` one
        is drawn from torch's global generator; without `indices`, shape (batch,), they are 0 to batch - 1. Raises
        ValueError for images that are not floating-point, of another shape, outside [0, 1] or NaN.
        """
        check_images(images)
        _, channels, height, width = images.shape
        self.check((channels, height, width))
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        if not is_whole(seed):
            raise ValueError(f"`seed` must be a whole number; got {seed!r}.")
        indices = torch.arange(len(images)) if indices is None else torch.as_tensor(indices)
        if indices.shape != (len(images),) or indices.is_floating_point():
            raise ValueError(
                f"`indices` must be whole numbers of shape ({len(images)},), one for each image; "
                f"got {indices.dtype} of shape {tuple(indices.shape)}."
            )
        return self.perturb(images, ImageRandom(key("call", seed), indices.to(images.device, torch.int64)))

    def extra_repr(self) -> str:
        return f"level={self.level}"


class DrawnStrength(Perturbation):
    """A perturbation whose strength is drawn for each image, uniformly from `lowest * level` to `level`.

    `unit` says what a strength is, `highest` the greatest there may be. `level` is from 0 to `highest`, `lowest` a
    share from 0 to 1. Raises ValueError for others.
    """

    unit: str
    highest: float

    def __init__(self, *, level: float, lowest: float = 0.25):
        super().__init__()
        self.level = check_level("level", level, self.unit)
        if self.level > self.highest:
            raise ValueError(
                f"`level` must be at most {self.highest:g} for {self.name}; got {level}. It is {self.unit}."
            )
        if not (is_number(lowest) and 0 <= lowest <= 1):
            raise ValueError(
                f"`lowest` must be from 0 to 1; got {lowest}. It is the weakest strength as a share of `level`."
            )
        self.lowest = float(plain(lowest))

    def strength(self, random: ImageRandom) -> Tensor:
        """A strength for each image, shape (batch,)."""
        return self.level * (self.lowest + (1 - self.lowest) * random.uniform())

    def signed(self, random: ImageRandom) -> Tensor:
        """The same, of either sign."""
        return self.strength(random) * (2 * random.integers(2) - 1)


def together(parts: Iterable[Tensor], count: int) -> Tensor:
    """The parts of a batch of so many images as one. Each is copied before the next is made, which takes its memory:
    that stays in the CPU's cache."""
    whole, place = torch.empty(0), 0
    for part in parts:
        whole = whole if place else part.new_empty(count, *part.shape[1:])
        whole[place : place + len(part)] = part
        place += len(part)
    return whole


def _without_autocast(device: str) -> contextlib.AbstractContextManager[object]:
    on = device in _AUTOCAST and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else contextlib.nullcontext()


def _check_names(perturbation: Perturbation) -> None:
    """Raises ValueError unless tables can tell it from others."""
    kind = type(perturbation).__name__
    name, level = (getattr(perturbation, one, None) for one in ("name", "level"))
    if not (isinstance(name, str) and name) or name in _TAKEN:
        raise ValueError(
            f"`{kind}.name` must be a word for tables, other than {' and '.join(_TAKEN)}; got {name!r}. Set "
            "`name = 'mine'` in the class."
        )
    if not is_number(level):
        raise ValueError(f"`{kind}.level` must be a number, how strong it is; got {level!r}. Set `self.level`.")


def check_images(images: Tensor) -> None:
    """Raises ValueError unless `images` are what this library takes: floating-point in [0, 1], (batch, channels,
    height, width)."""
    if images.dim() != 4:
        raise ValueError(f"`images` must have shape (batch, channels, height, width); got {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise ValueError(
            f"`images` must be floating-point in [0, 1]; got {images.dtype}. For uint8 images: `images / 255`."
        )
    if not images.numel():
        return
    low, high = (value.item() for value in torch.aminmax(images.detach()))
    if math.isnan(low) or math.isnan(high):
        raise ValueError("`images` must be in [0, 1]; got NaN.")
    if low < 0 or high > 1:
        raise ValueError(
            f"`images` must be in [0, 1]; got values from {low:g} to {high:g}. Normalisation belongs to the model."
        )


def check_level(name: str, value: Any, unit: str, *, most: float = math.inf, whole: bool = False) -> float:
    """A level as a number. Raises ValueError, with the `name` of the argument and its `unit`, for one that is not
    finite, below 0, above `most` or, if `whole`, no integer."""
    value = plain(value)
    if not is_number(value) or value < 0 or (whole and value != int(value)):
        rule = "a whole number >= 0" if whole else "a number >= 0"
        raise ValueError(f"`{name}` must be {rule}; got {value!r}. It is {unit}.")
    if value > most:
        raise ValueError(f"`{name}` must be at most {most:g}; got {value:g}. It is {unit}.")
    return int(value) if whole else float(value)
