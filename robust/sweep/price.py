"""What is left of a sweep will cost, by what past runs did."""

import contextlib
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from robust.experiment.experiment import Experiment
from robust.experiment.work import work_left
from robust.progress import duration
from robust.runs import DamagedError, Identity, RunFolder

#: what a past run has in common with one to be done, from the most to the least
_ALIKE: Sequence[Callable[[Identity], tuple[str, ...]]] = (
    lambda one: (one.kind,),
    lambda one: (one.data, one.model, one.technique, one.perturbation),
    lambda one: (one.data, one.model, one.technique),
    lambda one: (one.data, one.model),
)
#: what grows with what of a run's price
_BY = (("gpu_seconds", "seconds"), ("joules", "cpu_seconds"))
_SUMS = [name for both in _BY for name in both]
_Costs = Mapping[int, np.ndarray]  # by how much work it was: seconds and seconds of processors, and how often
_Past = tuple[Identity, Mapping[str, float], Mapping[str, Any]]  # what a run is, the seconds of its parts, its price


@dataclass(frozen=True)
class Price:
    """What runs will cost, one after the other: `seconds` as past runs took, and those of the `longest`; `cpu_seconds`,
    `gpu_seconds`, `joules`. By how many `past` runs; of how many runs something is `unknown`."""

    seconds: float
    longest: float
    cpu_seconds: float
    gpu_seconds: float
    joules: float
    past: int
    unknown: int

    def text(self, workers: int, now: datetime.datetime) -> str:
        """In words, with when it is done if so many workers begin `now`."""
        if not self.seconds:
            return "price of what is left: not known, since no run here is of this data and network"
        left = max(self.longest, self.seconds / workers)
        done = now + datetime.timedelta(seconds=left)
        gpus = f", {duration(self.gpu_seconds)} of GPUs" if self.gpu_seconds else ""
        but = f"; less {self.unknown} runs of which no run here tells" if self.unknown else ""
        return (
            f"price of what is left, by {self.past} run{'s' * (self.past > 1)} here: {duration(self.seconds)} one "
            f"after the other, {duration(self.cpu_seconds)} of processors{gpus}, {self.joules / 1000:,.3g} kJ{but}\n"
            f"{workers} at a time: done in {duration(left)}, {done:%Y-%m-%d %H:%M}"
        )


def print_price(runs: Iterable[Experiment], *, workers: int) -> None:
    """Says what is left of these runs will cost, and when so many workers will be done."""
    if left := [*runs]:
        text = price_of(left).text(workers, datetime.datetime.now())
        Console().print(text, markup=False, highlight=False, soft_wrap=True)


def price_of(runs: Iterable[Experiment]) -> Price:
    """What is left of these runs will cost, by the finished runs that lie beside them.

    Each part (training, tests, attacks) costs in proportion to its work: images times epochs, images times tests,
    attacks. What a piece costs is the mean over past runs of the same kind; where there are none, of the same data,
    network, technique and perturbation, else of the same technique, else of the same data and network; of these over
    those that had as much to do, where there are some.
    """
    runs = list(runs)
    past = [one for place in dict.fromkeys(run.folder.parent for run in runs) for one in _past(place)]
    costs = _costs(past)
    found = [[_cost(costs, run.identity, part, work) for part, work in work_left(run).items() if work] for run in runs]
    seconds, cpu = np.array([sum((one for one in parts if one is not None), np.zeros(2)) for parts in found]).T
    each = {name: sum(price[name] for _, _, price in past) for name in _SUMS}
    gpus, joules = (each[name] / max(each[of], 1e-9) for name, of in _BY)
    unknown = sum(any(one is None for one in parts) for parts in found)
    total = float(seconds.sum()), float(seconds.max())
    return Price(*total, float(cpu.sum()), total[0] * gpus, float(cpu.sum()) * joules, len(past), unknown)


def _past(place: Path) -> list[_Past]:
    """The finished runs in a folder whose price is known."""
    found = []
    for folder in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(DamagedError):
            files = RunFolder(folder)
            record = files.read_record() if files.status.is_file() else None
            if record and {"work", "cpu_s", *_SUMS} <= {*record["price"]} and (identity := files.identity()):
                found.append((identity, record["durations_s"], record["price"]))
    return found


def _costs(past: Iterable[_Past]) -> Mapping[tuple[str, ...], _Costs]:
    """What past runs cost by part, and what they are."""
    costs: dict[tuple[str, ...], dict[int, np.ndarray]] = defaultdict(lambda: defaultdict(lambda: np.zeros(3)))
    for identity, seconds, price in past:
        for part, work in price["work"].items():
            for alike in _ALIKE if work else ():
                costs[part, *alike(identity)][work] += (seconds.get(part, 0), price["cpu_s"].get(part, 0), 1)
    return costs


def _cost(costs: Mapping[tuple[str, ...], _Costs], identity: Identity, part: str, work: int) -> np.ndarray | None:
    """Seconds, and seconds of processors, of so much work; None where no past run tells."""
    known = next((one for alike in _ALIKE if (one := costs.get((part, *alike(identity))))), None)
    if known is None:
        return None
    some = {work: known[work]} if work in known else known
    return work * sum(one[:2] for one in some.values()) / sum(done * one[2] for done, one in some.items())
