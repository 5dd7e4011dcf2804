"""What a model is tested under, and what it is then shown."""

from dataclasses import dataclass

from torch import Tensor

from robust.perturb import ImageRandom, Perturbation, key

NATURAL = "natural"


@dataclass(frozen=True)
class Condition:
    """A perturbation at one level, or natural images (None); `once`: in one trial, also where it is random."""

    perturbation: Perturbation | None = None
    once: bool = False

    @property
    def name(self) -> str:
        return self.perturbation.name if self.perturbation is not None else NATURAL

    @property
    def level(self) -> float:
        return float(self.perturbation.level) + 0.0 if self.perturbation is not None else 0.0

    @property
    def title(self) -> str:
        return condition_title(self.name, self.level)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raises ValueError if images of this shape (channels, height, width) cannot be tested so: two are tried."""
        if self.perturbation is not None:
            self.perturbation.try_out(shape)

    def view(self, images: Tensor, places: Tensor, *, seed: int, trial: int) -> Tensor:
        """The test images that every model sees in this trial: perturbed, or the same where the condition is natural.

        `images`: float in [0, 1], shape (n, channels, height, width); `places`: int64 of shape (n,), the places of the
        images in their data set (`ImageSet.places`). Randomness is keyed by (seed, trial, place), here and nowhere
        else: neither the batch nor the rest of the set changes what becomes of an image. Same shape, dtype and device.
        """
        if self.perturbation is None:
            return images
        return self.perturbation.perturb(images, ImageRandom(key("test", seed, trial), places.to(images.device)))

    @property
    def moves(self) -> bool:
        """Whether it moves what is in a picture."""
        return self.perturbation is not None and self.perturbation.moves

    @property
    def random(self) -> bool:
        """Whether another trial gives other images."""
        return self.perturbation is not None and self.perturbation.random


def condition_title(name: str, level: float) -> str:
    """What to call a condition in tables and figures."""
    return name if name == NATURAL else f"{name} {level:g}"
