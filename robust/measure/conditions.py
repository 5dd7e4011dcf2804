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

    def trials(self, requested: int) -> int:
        """How many trials there are to do: one where nothing is random."""
        return requested if self.perturbation and self.perturbation.random else 1


def condition_title(name: str, level: float) -> str:
    """What to call a condition in tables and figures."""
    return name if name == NATURAL else f"{name} {level:g}"
