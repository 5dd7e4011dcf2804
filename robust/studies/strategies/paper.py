"""What arXiv 2004.03452, "Strategies for Robust Image Classification", trains and tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from robust.measure import condition_title
from robust.report.figures import Drawing

#: what its data sets are called, in its order, and its network for each
DATA_TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
MODELS = {"mnist": "convnet_mnist", "cifar10": "convnet_cifar10"}
TECHNIQUES = ("constant", "incremental", "transfer")


@dataclass(frozen=True)
class Family:
    """Perturbations that the paper shows in one figure, and the levels that its retrained models are tested at.

    `together`: a model trained on one of them is tested on all.
    """

    title: str
    names: tuple[str, ...]
    levels: tuple[float, ...]
    together: bool = False

    def tests(self, trained: str) -> list[tuple[str, float]]:
        """What a model trained on this perturbation is tested on: perturbations and levels."""
        return [(name, level) for name in (self.names if self.together else (trained,)) for level in self.levels]

    def label(self, name: str, level: float) -> str:
        """What such a test is called."""
        return f"{level:g} {name} pixels" if self.together else condition_title(name, level)


FAMILIES = (
    Family("faulty pixels", ("stuck", "dead", "hot"), (2.0,), together=True),
    Family("noise", ("noise",), (0.0255, 0.03775, 0.05)),
    Family("blur", ("blur", "blur_channels"), (0.5, 0.75, 1.0)),
)


def in_order(data: Iterable[str]) -> list[str]:
    """The data sets, those of the paper first."""
    names = set(data)
    return [name for name in DATA_TITLES if name in names] + sorted(names - set(DATA_TITLES))


def numbered(drawings: Mapping[str, Drawing | None]) -> dict[str, Drawing]:
    """The figures that there are, by the names of their files, with the paper's numbers in their captions."""
    return {
        f"figure-{number.replace('.', '')}": replace(one, caption=f"Figure {number}. {one.caption}")
        for number, one in drawings.items()
        if one is not None
    }
