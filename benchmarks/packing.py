"""`make bench-gpu`: how fast a grid of small runs goes through one GPU, and what holds it back; writes
results/bench/packing/. Without a GPU it measures the same on the CPU, and says so."""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.packing_page import Line, shown, write_page
from robust.data import to_float
from robust.errors import one_line, run_command
from robust.experiment.build import build_attacks, build_perturbation, build_splits
from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.search_path import CONF, SWEEPS
from robust.measure import Condition, measure, planned_tests
from robust.perturb import ImageRandom
from robust.sweep import list_jobs
from robust.sweep.tune import MOST, throughputs, usable_cores

_OUT = Path(__file__).parent.parent / "results" / "bench" / "packing"
_SECONDS = 3.0  # of each measurement
_DATA = ("mnist", "cifar10")
_SWITCHES = {
    "float32": [],
    "channels_last": ["trainer.channels_last=true"],
    "bf16": ["trainer.precision=bf16-mixed"],
    "bf16, channels_last": ["trainer.precision=bf16-mixed", "trainer.channels_last=true"],
}
_COMPILED = {
    f"bf16, channels_last, compile={mode}": [*_SWITCHES["bf16, channels_last"], f"trainer.compile={mode}"]
    for mode in ("default", "reduce-overhead")
}
_TESTS = ["hot", "noise", "blur"]
_TESTED = 1000, 10_000  # images, on a CPU and on a GPU
#: images of a class, on a CPU and on a GPU, and settings
_ATTACKS = {
    "fgsm": (10, 1000, ["attack.eps=8/255"]),
    "pgd": (2, 200, ["attack.eps=8/255"]),
    "gradient_sign": (2, 100, []),
    "one_pixel": (1, 10, []),
}
_GRID = "strategies"
#: techniques with the recipes of the grid: of models from the start, and of transferred ones
_RECIPES = {"processes": "natural", "processes, transferred": "retrain"}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.packing", description="Measures how fast a grid goes through one GPU, or this CPU."
    )
    parser.add_argument("--data", default=",".join(_DATA), help=f"data sets whose networks are trained ({_DATA})")
    parser.add_argument("--out", type=Path, default=_OUT, help="the folder to write to (results/bench/packing)")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here: the same is measured on the CPU, where CUDA graphs and compilation are left out.")
    lines: list[Line] = []
    for name in arguments.data.split(","):
        try:
            build_splits(compose([f"data={name}"]).data)
        except (OSError, ValueError) as error:
            print(f"left out: {name} ({one_line(error)})")
            continue
        for line in _sections(name):
            print(f"{line.section}, {line.data}, {line.how}, {line.at_a_time} at a time: {shown(line)}; {line.note}")
            lines.append(line)
    if not lines:
        raise FileNotFoundError("None of these data sets can be read. Set ROBUST_DATA to the folder that holds them.")
    lines += [*_perturbations(), *grid(lines)]
    write_page(lines, arguments.out)
    print(f"page: {arguments.out / 'README.md'}")


def _sections(data: str) -> Iterator[Line]:
    steps = []
    for line in _steps(data):
        steps.append(line)
        yield line
    yield from _packs(data, max(steps, key=lambda line: line.figure).how)
    yield from _tests(data)
    yield from _attacks(data)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _of_device(cpu: int, gpu: int) -> int:
    return gpu if torch.cuda.is_available() else cpu


def _job(data: str, *settings: str, technique: str = "natural") -> list[str]:
    return [f"data={data}", f"technique={technique}", "evaluation=none", *settings]


@cache
def _run(data: str) -> Experiment:
    with tempfile.TemporaryDirectory() as folder:
        return prepare(_job(data, f"runs_dir={folder}"))


def _steps(data: str) -> Iterator[Line]:
    """Steps of one run alone, as a run does them, with each switch; and their share of the device's peak."""
    run, size = _run(data), _run(data).config.data.batch_size
    model, images = run.build_network(), to_float(run.splits.train.images[:size])
    with FlopCounterMode(display=False) as counted:
        functional.cross_entropy(model(images), run.splits.train.labels[:size]).backward()
    work = counted.get_total_flops()
    for how, settings in {**_SWITCHES, **(_COMPILED if torch.cuda.is_available() else {})}.items():
        (pace,) = throughputs(_job(data, *settings), 1, seconds=_SECONDS)
        rate, peak = pace.steps_per_s * work, _peak(torch.bfloat16 if "bf16" in how else torch.float32)
        note = f"{rate / 1e12:.3g} TFLOP/s, {100 * rate / peak:.1f} % of the {peak / 1e12:.3g} of a product of matrices"
        yield Line("step", data, how, 1, pace.steps_per_s, "steps/s", note)


@cache
def _peak(dtype: torch.dtype) -> float:
    """Floating-point operations a second in a product of matrices."""
    size = _of_device(2048, 8192)
    matrix = torch.randn(size, size, device=_device()).to(dtype)
    return 2 * size**3 * _rate(lambda: matrix @ matrix, 1)


def _rate(call: Callable[[], object], count: float) -> float:
    """How many a second, of `count` in a call."""
    call()
    _wait()
    start, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - start < _SECONDS / 3:
        call()
        _wait()
        calls += 1
    return count * calls / (time.perf_counter() - start)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _counts() -> list[int]:
    cores = usable_cores()
    return [count for count in (1, 2, 4, 8, MOST) if count <= cores]


def _packs(data: str, how: str) -> Iterator[Line]:
    """Several runs at a time, with these switches, as `pack=N` does it."""
    settings = {**_SWITCHES, **_COMPILED}[how]
    for name, technique in _RECIPES.items():
        job = _job(data, *settings, technique=technique)
        for count in _counts():
            try:
                found = throughputs(job, count, seconds=_SECONDS)
            except RuntimeError as error:
                yield Line("pack", data, name, count, float("nan"), "steps/s", one_line(error))
                break
            memory = f"{100 * max(pace.memory for pace in found):.0f} % of the memory"
            note = f"batches of {compose(job).data.batch_size}, {how}; {memory}"
            yield Line("pack", data, name, count, sum(pace.steps_per_s for pace in found), "steps/s", note)


def _tests(data: str) -> Iterator[Line]:
    run, model = _run(data), _run(data).build_network().to(_device())
    names = [(name, build_perturbation(compose([f"perturb={name}"]).perturb)) for name in _TESTS]
    test = run.splits.test[: _of_device(*_TESTED)].to(_device())
    for name, perturbation in [("natural", None), *names]:
        for size in dict.fromkeys((1000, len(test))):
            rate = _rate(
                lambda perturbation=perturbation, size=size: measure(  # type: ignore[misc]
                    model, test, [Condition(perturbation)], trials=1, batch_size=size
                ),
                len(test),
            )
            yield Line("test", data, f"{name}, batches of {size}", 1, rate, "images/s")


def _attacks(data: str) -> Iterator[Line]:
    run, model = _run(data), _run(data).build_network().eval().to(_device())
    test = run.splits.test
    for name, (few, many, settings) in _ATTACKS.items():
        choice = [f"attack={name}", f"attack.images={_of_device(few, many)}", *settings]
        (attack_plan,) = build_attacks(compose([f"data={data}", *choice]).attack)
        pairs = list(attack_plan.missing(test, None))[: len(test.classes)]
        count = sum(len(attack_plan.chosen(test, *pair)) for pair in pairs)
        start = time.perf_counter()
        for pair in pairs:
            attack_plan.attack(model, test, pair)
        _wait()
        seconds = time.perf_counter() - start
        yield Line("attack", data, name, 1, count / seconds, "attacks/s", f"{count} attacks, an untrained network")


def _perturbations() -> Iterator[Line]:
    """Every perturbation there is, on colour pictures of 32 x 32."""
    count = _of_device(1000, 10_000)
    images, indices = torch.rand(count, 3, 32, 32, device=_device()), torch.arange(count, device=_device())
    for file in sorted((CONF / "perturb").glob("[!_]*.yaml")):
        if (perturbation := build_perturbation(compose([f"perturb={file.stem}"]).perturb)) is not None:
            rate = _rate(lambda: perturbation.perturb(images, ImageRandom(0, indices)), count)
            line = Line("perturb", "32 x 32 x 3", f"{file.stem} {perturbation.level:g}", 1, rate, "images/s")
            print(f"{line.section}, {line.how}: {shown(line)}")
            yield line


def grid(lines: list[Line], *, sweep: str = _GRID, only: Sequence[str] = ()) -> Iterator[Line]:
    """What the models of a sweep, `only` those of these settings, take with their tests, by what was measured: a line
    for each data set."""
    products = OmegaConf.to_container(OmegaConf.load(SWEEPS / f"{sweep}.yaml").sweep.products)
    assert isinstance(products, list)
    jobs = list_jobs(products, list(only), OverridesParser.create().parse_overrides)
    for data in dict.fromkeys(line.data for line in lines if line.section == "step"):
        seconds = tests = models = 0.0
        best = {
            name: max(
                (line for line in lines if (line.section, line.data, line.how) == ("pack", data, name)),
                key=lambda line: np.nan_to_num(line.figure),
            )
            for name in _RECIPES
        }
        splits = build_splits(compose([f"data={data}"]).data)
        for job in jobs:
            config = compose([f"sweep={sweep}", *job])
            if config.data.name != data:
                continue
            steps = config.trainer.max_epochs * (len(splits.train) // config.data.batch_size)
            name = next(name for name in _RECIPES if ("transferred" in name) == (config.task.stage == "retrain"))
            seconds += steps / best[name].figure
            conditions = build_conditions(config, splits.test.shape, own_family=config.perturb.family)
            tests += len(planned_tests(conditions, trials=config.evaluation.trials, seed=0)) * len(splits.test)
            models += 1
        tested = min(line.figure for line in lines if (line.section, line.data) == ("test", data))
        note = (
            f"extrapolated: {models:.0f} models trained in {seconds / 60:,.1f} minutes, {tests:,.0f} images tested in "
            f"{tests / tested / 60:,.1f}, one after the other"
        )
        minutes = (seconds + tests / tested) / 60
        yield Line("grid", data, "train and test", best["processes"].at_a_time, minutes, "minutes", note)


if __name__ == "__main__":
    run_command(main)
