"""What `plan=true` says a sweep will cost, against what it then did."""

import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.pairs import Result, at_most
from robust.experiment.execute import execute
from robust.sweep.plan import plan
from robust.sweep.price import price_of

_QUICK = ["evaluation.trials=2", "trainer.progress=false"]
#: what was done before, and the sweep that is priced by it
_SWEEPS = {
    "digits, another seed": ("perturb=noise,blur seed=0", "perturb=noise,blur seed=1"),
    "digits, three times the epochs": ("perturb=noise trainer.max_epochs=12", "perturb=noise trainer.max_epochs=36"),
    "MNIST, other levels": (
        "data=mnist perturb=noise trainer.max_epochs=2",
        "data=mnist perturb=noise perturb.level=0.01,0.03 trainer.max_epochs=2",
    ),
}


def bench_pricing() -> Iterator[Result]:
    """How far the price of a sweep, in seconds of processors, lies from what it cost."""
    for name, (past, asked) in _SWEEPS.items():
        with tempfile.TemporaryDirectory() as folder:
            _do(["perturb=noise trainer.max_epochs=1"], f"{folder}/warm")
            _do([past], f"{folder}/runs")
            price, cost = _do([asked], f"{folder}/runs")
        off = np.array([abs(price[0] / cost[0] - 1)])
        note = (
            f"processors {price[0]:.1f} s said, {cost[0]:.1f} s spent; on the clock {price[1]:.0f} s said, "
            f"{cost[1]:.0f} s spent"
        )
        yield at_most(f"price of a sweep: {name}", "what it cost", 100 * off, 25, unit="% off", note=note)


def _do(asked: Sequence[str], runs_dir: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Does what is left of a sweep; what that was to cost and did, in seconds of processors and on the clock."""
    runs = plan([[*job, *_QUICK, f"runs_dir={runs_dir}"] for one in asked for job in _jobs(one)])
    left = [run for run in runs if not run.files.has_record()]
    price = price_of(left)
    costs = [(execute(run).record or {})["price"] for run in left]
    spent = [sum(one[name] for one in costs) for name in ("cpu_seconds", "seconds")]
    return (price.cpu_seconds, price.seconds), (spent[0], spent[1])


def _jobs(asked: str) -> list[list[str]]:
    jobs: list[list[str]] = [[]]
    for word in asked.split():
        key, _, values = word.partition("=")
        jobs = [[*job, f"{key}={value}"] for job in jobs for value in values.split(",")]
    return jobs
