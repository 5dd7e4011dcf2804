"""AugMix: chains of perturbations, blended (Hendrycks et al. 2020, arXiv 1912.02781)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robust.perturb.base import Perturbation
from robust.perturb.choice import OneOf
from robust.perturb.random import ImageRandom, key


class AugMix(Perturbation):
    """Blends an image with `chains` copies of it, each of which went through one to `longest` perturbations, each one
    of `ranges` (see `OneOf`, and there `level`).

    The weights of the chains are drawn evenly (Dirichlet), as is the share of the image that stays. Published with
    operations on geometry and colour; which there are is for `ranges` to say.
    """

    name = "augmix"

    def __init__(
        self, *, ranges: Mapping[str, tuple[float, float]], level: float = 1.0, chains: int = 3, longest: int = 3
    ):
        super().__init__()
        for setting, value in (("chains", chains), ("longest", longest)):
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"`{setting}` must be a whole number >= 1; got {value}.")
        self.one = OneOf(ranges=ranges, level=level)
        self.level, self.chains, self.longest = self.one.level, chains, longest
        self.moves = self.one.moves

    def check(self, shape: tuple[int, int, int]) -> None:
        self.one.check(shape)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`lengths` and `weights` of the chains, shape (batch, chains), `stays`, shape (batch,), and for each step
        `<step>.<name>`: the parameters of `OneOf`, for the images' chains that are as long."""
        parts = -(1 - random.uniform(self.chains)).log()
        parameters = {
            "lengths": random.integers(self.longest, self.chains) + 1,
            "weights": parts / parts.sum(1, keepdim=True).clamp(min=1e-12),
            "stays": random.uniform(),
        }
        ways = (random.indices[:, None] + (torch.arange(self.chains, device=random.device) << 40)).flatten()
        for step in range(self.longest):
            goes = (parameters["lengths"] > step).flatten()
            drawn = self.one.sample(ImageRandom(key("augmix", step, random.key), ways[goes]), shape)
            parameters |= {f"{step}.{name}": value for name, value in drawn.items()}
        return parameters

    def apply(  # type: ignore[override]
        self, images: Tensor, *, lengths: Tensor, weights: Tensor, stays: Tensor, **parameters: Tensor
    ) -> Tensor:
        moved = images.repeat_interleave(self.chains, 0)
        for step in range(self.longest):
            own = {
                name.removeprefix(f"{step}."): one for name, one in parameters.items() if name.startswith(f"{step}.")
            }
            goes = (lengths > step).flatten().nonzero()[:, 0]
            if len(goes):
                moved = moved.index_copy(0, goes, self.one.apply(moved[goes], **own))
        shares = (weights * (1 - stays)[:, None]).to(images.dtype)
        changes = moved.unflatten(0, (len(images), self.chains)) - images[:, None]
        change = (shares[..., None, None, None] * changes).sum(1)
        return (images + change).clamp(0, 1)

    def describe(self, parameters: Mapping[str, Tensor], place: int) -> dict[str, Any]:
        own = {name: parameters[name] for name in ("lengths", "weights", "stays")}
        return super().describe(own, place)
