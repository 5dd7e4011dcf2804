"""What a model is tested under."""

from dataclasses import dataclass

from robust.perturb import Perturbation

NATURAL = "natural"


@dataclass(frozen=True)
class Condition:
    """A perturbation at one level, or natural images (None)."""

    perturbation: Perturbation | None = None

    @property
    def name(self) -> str:
        return self.perturbation.name if self.perturbation else NATURAL

    @property
    def level(self) -> float:
        return float(self.perturbation.level) if self.perturbation else 0.0

    @property
    def title(self) -> str:
        return condition_title(self.name, self.level)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raises ValueError if images of this shape (channels, height, width) cannot be tested so."""
        if self.perturbation:
            self.perturbation.check(shape)

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
