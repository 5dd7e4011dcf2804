"""`make bench-gpu`: how fast a grid of small runs goes through one GPU, and what holds it back; in one call of less
than 8 minutes it writes results/bench/gpu/. Without a GPU it measures the same on the CPU, and says so."""

import argparse
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_page import Line, shown, write_page
from benchmarks.grid import RECIPES, best_line, grid, splits_of
from robust.certify import Gaussian, seconds_of_a_pass
from robust.data import to_float
from robust.errors import one_line, run_command
from robust.experiment.build import build_attacks, build_perturbation
from robust.experiment.compose import compose
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.search_path import CONF
from robust.measure import Condition, measure
from robust.perturb import ImageRandom
from robust.sweep.tune import MOST, throughput_alone, throughputs, usable_cores

_OUT = Path(__file__).parent.parent / "results" / "bench" / "gpu"
_BUDGET_S = 420  # after which nothing more is begun: what is under way, and the page, take less than a minute
_SWITCHES = {
    "float32": [],
    "channels_last": ["trainer.channels_last=true"],
    "bf16": ["trainer.precision=bf16-mixed"],
    "bf16, channels_last": ["trainer.precision=bf16-mixed", "trainer.channels_last=true"],
}
_COMPILED = {
    f"bf16, channels_last, compiled{graphs}": [*_SWITCHES["bf16, channels_last"], f"trainer.compile={mode}"]
    for graphs, mode in (("", "default"), (", CUDA graphs", "reduce-overhead"))
}
_TESTS = ("natural", "hot", "noise", "blur")
#: images of a class where 10,000 are tested
_ATTACKS = {
    "fgsm": 1000,
    "pgd": 200,
    "gradient_sign": 50,
    "one_pixel": 10,
    "eot": 50,
    "worst_of": 200,
    "universal": 1000,
    "patch": 1000,
}


@dataclass(frozen=True)
class Effort:
    """How long a training is watched, in seconds, how many images are perturbed and tested, and how many runs are
    trained at a time, at most."""

    seconds: float
    images: int
    most: int = MOST


#: a figure that is to be measured, and what measures it: returns it, and what to say of it
Probe = tuple[Line, Callable[[], tuple[float, str]]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description="Measures how fast a grid goes through one GPU, or this CPU."
    )
    parser.add_argument("--data", default="mnist,cifar10", help="data sets whose networks are trained (mnist,cifar10)")
    parser.add_argument("--out", type=Path, default=_OUT, help="the folder to write to (results/bench/gpu)")
    parser.add_argument("--budget", type=float, default=_BUDGET_S, help=f"seconds, all in all ({_BUDGET_S})")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here: the same is measured on the CPU, where CUDA graphs and compilation are left out.")
    effort = Effort(2.0, _of_device(200, 10_000))
    lines = measure_all(arguments.data.split(","), effort, budget_s=arguments.budget)
    write_page(lines, arguments.out)
    print(f"page: {arguments.out / 'README.md'}")


def measure_all(sets: Sequence[str], effort: Effort, *, budget_s: float, sweep: str = "strategies") -> list[Line]:
    """Everything, what matters most first, and what the models of a sweep take by that; what is not begun after so many
    seconds, or fails, is a line without a figure that says so. Raises FileNotFoundError where none of these data sets
    can be read."""
    deadline = time.monotonic() + budget_s
    sets = [name for name in sets if _can_be_read(name)]
    if not sets:
        raise FileNotFoundError("None of these data sets can be read. Set ROBUST_DATA to the folder that holds them.")
    lines: list[Line] = []
    sections = (_steps, _packs, _tests, _attacks, _certificates)
    for line, probe in itertools.chain(
        *(section(data, lines, effort) for section in sections[:2] for data in sets),
        _perturbations(effort),
        *(section(data, lines, effort) for section in (*sections[2:], _compiled_steps) for data in sets),
    ):
        try:
            figure, note = probe() if time.monotonic() < deadline else (np.nan, "not measured: the time was up")
        except Exception as error:  # noqa: BLE001, what fails here must not cost what can be measured
            figure, note = np.nan, one_line(error)
        lines.append(replace(line, figure=figure, note=note))
        print(f"{line.section}, {line.data}, {line.how}, {line.at_a_time} at a time: {shown(lines[-1])}; {note}")
    return [*lines, *grid(lines, sweep=sweep)]


def _can_be_read(data: str) -> bool:
    try:
        splits_of(data)
    except (OSError, ValueError) as error:
        print(f"left out: {data} ({one_line(error)})")
        return False
    return True


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _of_device(cpu: int, gpu: int) -> int:
    return gpu if torch.cuda.is_available() else cpu


def _job(data: str, *settings: str, technique: str = "natural") -> list[str]:
    return [f"data={data}", f"technique={technique}", "evaluation=none", *settings]


@functools.cache
def _run(data: str) -> Experiment:
    with tempfile.TemporaryDirectory() as folder:
        return prepare(_job(data, f"runs_dir={folder}"))


def _steps(data: str, _: list[Line], effort: Effort) -> Iterator[Probe]:
    """Steps of one run alone, as a run does them, with each switch; and their share of the device's peak."""
    for how in _SWITCHES:
        yield Line("step", data, how, 1, unit="steps/s"), functools.partial(_step, data, how, effort)


def _compiled_steps(data: str, _: list[Line], effort: Effort) -> Iterator[Probe]:
    """The same compiled, without and with CUDA graphs: last, for it takes long."""
    for how in _COMPILED if torch.cuda.is_available() else ():
        yield Line("step", data, how, 1, unit="steps/s"), functools.partial(_step, data, how, effort)


def _step(data: str, how: str, effort: Effort) -> tuple[float, str]:
    pace = throughput_alone(_job(data, *{**_SWITCHES, **_COMPILED}[how]), seconds=effort.seconds)
    rate, peak = pace.steps_per_s * _work(data), _peak(torch.bfloat16 if "bf16" in how else torch.float32)
    return (
        pace.steps_per_s,
        f"{rate / 1e12:.3g} TFLOP/s, {100 * rate / peak:.1f} % of the {peak / 1e12:.3g} of a product of matrices",
    )


@functools.cache
def _work(data: str) -> float:
    """Floating-point operations of a training step."""
    run, size = _run(data), _run(data).config.data.batch_size
    train = run.splits.train[:size]
    with FlopCounterMode(display=False) as counted:
        functional.cross_entropy(run.build_network()(to_float(train.images)), train.labels).backward()
    return counted.get_total_flops()


@functools.cache
def _peak(dtype: torch.dtype) -> float:
    """Floating-point operations a second in a product of matrices."""
    size = _of_device(1024, 8192)
    matrix = torch.randn(size, size, device=_device()).to(dtype)
    return 2 * size**3 * _rate(lambda: matrix @ matrix, 1, seconds=0.5)


def _rate(call: Callable[[], object], count: float, *, seconds: float) -> float:
    """How many a second, of `count` in a call."""
    call()
    _wait()
    start, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - start < seconds:
        call()
        _wait()
        calls += 1
    return count * calls / (time.perf_counter() - start)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _packs(data: str, lines: list[Line], effort: Effort) -> Iterator[Probe]:
    """Several runs at a time, with the fastest switches: in processes, as `pack=N` has it, and as one network, as
    `pack=stacked`; transferred ones as many as is best."""
    how = best_line(lines, "step", data).how
    plain = {"channels_last": "float32", "bf16, channels_last": "bf16"}.get(how, how)  # which a stack does not heed
    counts = [count for count in (1, 2, 4, 8, MOST) if count <= min(usable_cores(), effort.most)]
    stacks = dict.fromkeys(min(count, effort.most) for count in (4, MOST))
    for name, count in [*(("processes", count) for count in counts), *(("stacked", count) for count in stacks)]:
        yield _pack(data, name, "", count, plain if name == "stacked" else how, effort)
    for name, own in (("processes", how), ("stacked", plain)):
        yield _pack(data, name, ", transferred", best_line(lines, "pack", data, name).at_a_time, own, effort)


def _pack(data: str, name: str, recipe: str, count: int, how: str, effort: Effort) -> Probe:
    def probe() -> tuple[float, str]:
        job = _job(data, *_SWITCHES[how], technique=RECIPES[recipe])
        found = throughputs(job, count, seconds=effort.seconds, stacked=name == "stacked")
        memory = f"{100 * max(pace.memory for pace in found):.0f} % of the memory"
        note = f"batches of {compose(job).data.batch_size}, {how}; {memory}"
        return sum(pace.steps_per_s for pace in found), note

    return Line("pack", data, name + recipe, count, unit="steps/s"), probe


def _perturbations(effort: Effort) -> Iterator[Probe]:
    """Every perturbation and corruption there is, on colour pictures of 32 x 32."""
    for file in sorted((CONF / "perturb").glob("[!_]*.yaml")):
        if file.stem != "none":
            line = Line("perturb", "32 x 32 x 3", file.stem, 1, unit="images/s")
            yield line, functools.partial(_perturb, file.stem, effort)


def _perturb(name: str, effort: Effort) -> tuple[float, str]:
    perturbation = build_perturbation(compose([f"perturb={name}"]).perturb)
    assert perturbation is not None
    drawn = torch.rand(effort.images, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images, indices = drawn.to(_device()), torch.arange(effort.images, device=_device())
    few = min(100, effort.images)
    found, known = (
        perturbation.perturb(some[:few], ImageRandom(0, places[:few])).cpu()
        for some, places in ((images, indices), (drawn, indices.cpu()))
    )
    rate = _rate(lambda: perturbation.perturb(images, ImageRandom(0, indices)), len(images), seconds=effort.seconds / 5)
    return rate, f"level {perturbation.level:g}; at most {(found - known).abs().max():.1g} from the CPU's"


def _tests(data: str, _: list[Line], effort: Effort) -> Iterator[Probe]:
    for name, size in itertools.product(_TESTS, dict.fromkeys((min(1000, effort.images), effort.images))):
        line = Line("test", data, f"{name}, batches of {size}", 1, unit="images/s")
        yield line, functools.partial(_test, data, name, size, effort)


def _test(data: str, name: str, size: int, effort: Effort) -> tuple[float, str]:
    perturb = compose([f"perturb={'none' if name == 'natural' else name}"]).perturb
    test = _run(data).splits.test[: effort.images].to(_device())
    model, conditions = _run(data).build_network().to(_device()), [Condition(build_perturbation(perturb))]
    rate = _rate(
        lambda: measure(model, test, conditions, trials=1, batch_size=size), len(test), seconds=effort.seconds / 2
    )
    return rate, ""


def _attacks(data: str, _: list[Line], effort: Effort) -> Iterator[Probe]:
    for name, images in _ATTACKS.items():
        line = Line("attack", data, name, 1, unit="attacks/s")
        yield line, functools.partial(_attack, data, name, max(1, images * effort.images // 10_000))


def _attack(data: str, name: str, images: int) -> tuple[float, str]:
    run, model = _run(data), _run(data).build_network().eval().to(_device())
    (attack_plan,) = build_attacks(compose([f"data={data}", f"attack={name}", f"attack.images={images}"]).attack)
    start, count = time.perf_counter(), 0
    for pair in attack_plan.missing(run.splits.test, None)[: len(run.splits.test.classes)]:
        count += len(attack_plan.attack(model, run.splits.test, pair, training=run.splits.train))
    _wait()
    return count / (time.perf_counter() - start), f"{count} attacks, an untrained network"


def _certificates(data: str, _: list[Line], effort: Effort) -> Iterator[Probe]:
    for size in dict.fromkeys((500, max(500, effort.images))):
        line = Line("certify", data, f"Gaussian copies, batches of {size}", 1, unit="copies/s")
        yield line, functools.partial(_certify, data, size)


def _certify(data: str, size: int) -> tuple[float, str]:
    model, test = _run(data).build_network().to(_device()), _run(data).splits.test
    rate = 1 / seconds_of_a_pass(model, test, Gaussian(std=0.25), batch_size=size)
    return rate, f"10,000 images, 10,100 copies of each: {1.01e8 / rate / 60:.3g} minutes"


if __name__ == "__main__":
    run_command(main)
