"""`make bench`: measures everything and writes results/bench/."""

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.adapting import bench_adapting
from benchmarks.attacking import bench_attacking
from benchmarks.certifying import bench_certifying
from benchmarks.command import bench_memory, bench_start
from benchmarks.corrupting import bench_corrupting
from benchmarks.environment import bench_environment
from benchmarks.pairs import Result
from benchmarks.perturbing import bench_perturbing
from benchmarks.photographing import bench_photographing
from benchmarks.pricing import bench_pricing
from benchmarks.tolerating import bench_tolerating
from benchmarks.training import bench_resnet, bench_testing, bench_training, mnist_is_there
from robust.errors import run_command
from robust.files import atomic_write
from robust.models.cpu import keep_memory
from robust.runs import git_commit

_OUT = Path(__file__).parent.parent / "results" / "bench"
_MNIST = {
    "training": bench_training,
    "testing": bench_testing,
    "memory": bench_memory,
    "tolerating": bench_tolerating,
    "pricing": bench_pricing,
}
_SECTIONS: dict[str, Callable[[], Iterator[Result]]] = {
    "start": bench_start,
    "perturbing": bench_perturbing,
    "environment": bench_environment,
    "corrupting": bench_corrupting,
    "photographing": bench_photographing,
    "attacking": bench_attacking,
    "adapting": bench_adapting,
    "certifying": bench_certifying,
    "resnet": bench_resnet,
    **_MNIST,
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures speed; writes results/bench/.")
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(_SECTIONS)} (default: all); the others' stay")
    chosen = parser.parse_args().sections or list(_SECTIONS)
    if unknown := set(chosen) - set(_SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(_SECTIONS)}")
    keep_memory()  # as a run does
    results = []
    for name in chosen:
        if name in _MNIST and not mnist_is_there():
            raise FileNotFoundError("The benchmark needs MNIST. Set ROBUST_DATA to the folder that holds MNIST/raw.")
        for found in _SECTIONS[name]():
            result = replace(found, section=name, commit=git_commit() or "unknown")
            results.append(result)
            met = "" if result.met else ", NOT MET"
            print(f"{result.subject}: {_figure(result)} ({result.limit}{met}) {result.note}")
    _write(results)
    Console().print(_table(results))


def _figure(result: Result) -> str:
    return f"{result.figure:.2f} {result.unit} [{result.low:.2f}, {result.high:.2f}]"


def _table(results: list[Result]) -> Table:
    table = Table()
    for heading in ("what", "against", "figure [95 % interval]", "limit", "met"):
        table.add_column(heading)
    for result in results:
        table.add_row(result.subject, result.against, _figure(result), result.limit, "yes" if result.met else "no")
    return table


def _write(results: list[Result]) -> None:
    """Writes these results; those of other sections stay."""
    path = _OUT / "bench.csv"
    table = pd.DataFrame([asdict(result) for result in results])
    if path.is_file():
        before = pd.read_csv(path, keep_default_na=False)
        table = pd.concat([before[~before["section"].isin(table["section"])], table])
        table = table.sort_values("section", key=lambda names: names.map(list(_SECTIONS).index), kind="stable")
    lines = [
        "# Speed",
        "",
        f"`make bench` on {os.cpu_count()} cores ({platform.machine()}), {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}; the commit of each figure is in `bench.csv`.",
        "",
        "Medians of ratios over pairs, ours and the other in turn: of times for training and testing (less is better),",
        "of images a second for perturbations (more is better; against the fastest of the others).",
        "",
        "| what | against | figure [95 % interval] | limit | met | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for line in table.itertuples():
        figure = f"{line.figure:.2f} {line.unit} [{line.low:.2f}, {line.high:.2f}]"
        cells = (line.subject, line.against, figure, line.limit, "yes" if line.met else "no", line.note)
        lines.append(f"| {' | '.join(cells)} |")
    atomic_write(_OUT / "README.md", "\n".join(lines) + "\n")
    atomic_write(path, table.to_csv(index=False))


if __name__ == "__main__":
    run_command(main)
