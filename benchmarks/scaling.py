"""`python -m benchmarks.scaling`: what thousands of finished runs cost `plan=true`, `collect` and `report`, in seconds
of processors and in memory, and the memory of a process that makes 200; writes results/bench/scaling/. The thousands
are copies of ten trained runs, under their own names."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
import psutil
from hydra.core.override_parser.overrides_parser import OverridesParser
from matplotlib.figure import Figure

from robust.errors import run_command
from robust.experiment.experiment import Experiment
from robust.files import atomic_write
from robust.report.figures import COLOURS, MARKERS, STYLE
from robust.runs import RunFolder, contents, find_runs, git_commit, sums
from robust.sweep import list_jobs
from robust.sweep.plan import plan

_ROOT = Path(__file__).parent.parent
_OUT = _ROOT / "results" / "bench" / "scaling"
_COUNTS = (100, 1000, 10_000)
_SEEDS, _RATES = 5, (0.0005, 0.001, 0.002, 0.005, 0.01)
_TESTS = ["evaluation=camera", "evaluation.trials=5"]
_LIMITS = 60, 4e9  # seconds, bytes
_METER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
_MADE, _EVERY = 200, 20  # runs of one process, and of one line of the table


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="Measures thousands of runs.")
    parser.add_argument("folder", type=Path, help="where the runs lie, or are put: 120 kB each")
    parser.add_argument("--counts", default=",".join(map(str, _COUNTS)), help="how many runs")
    given = parser.parse_args()
    lines = []
    for count in map(int, given.counts.split(",")):
        runs_dir = given.folder / f"n{count}"
        if not runs_dir.is_dir():
            make_runs(count, runs_dir, given.folder / "seeds")
        for name, words in _commands(count, runs_dir).items():
            lines.append({"command": name, "runs": len(find_runs([runs_dir])), **_measured(words)})
            print(lines[-1])
    write_page(pd.DataFrame(lines), held(given.folder / "made"), _OUT)


def _commands(count: int, runs_dir: Path) -> dict[str, list[str]]:
    out = runs_dir.with_name(f"out-{runs_dir.name}")
    return {
        "plan": ["train", "-m", *settings(count, runs_dir), "plan=true"],
        "collect": ["collect", str(runs_dir), "--out", str(out / "rows")],
        "report": ["report", str(runs_dir), "--out", str(out / "report")],
    }


def settings(count: int, runs_dir: Path) -> list[str]:
    """What the command line says of a sweep of about so many runs: with noise at many levels, at a few learning rates,
    with a few seeds; and the natural ones that they are held against."""
    levels = max(1, count // (_SEEDS * len(_RATES)))
    return [
        "perturb=noise",
        f"perturb.level={','.join(f'{0.1 * (one + 1) / levels:g}' for one in range(levels))}",
        f"optimizer.lr={','.join(map(str, _RATES))}",
        f"seed={','.join(map(str, range(_SEEDS)))}",
        *_TESTS,
        f"runs_dir={runs_dir}",
    ]


def make_runs(count: int, runs_dir: Path, trained: Path) -> None:
    """Makes the folders of such a sweep as if it were done."""
    words = ["train", "-m", "perturb=noise", f"seed=range(0,{_SEEDS})", *_TESTS, f"runs_dir={trained}"]
    subprocess.run([sys.executable, "-m", "robust", *words], cwd=_ROOT, check=True)
    models = {
        (one.technique, one.seed): folder for folder in find_runs([trained]) if (one := RunFolder(folder).identity())
    }
    jobs = list_jobs([{}], settings(count, runs_dir), OverridesParser.create().parse_overrides)
    copy_runs(plan(jobs), models)


def copy_runs(planned: Sequence[Experiment], models: dict[tuple[str, int], Path]) -> None:
    """Folders of these runs: the files of the trained run of its technique and seed, with its own names."""
    for run in planned:
        base, me = RunFolder(models[run.identity.technique, run.identity.seed]), run.identity
        names = {"run": me.folder, "train_level": me.level, "kind": me.kind, "reference": run.reference_name}
        record = {**(base.read_record() or {}), "identity": me.as_dict(), "settings": run.settings}
        files = {name: (base.path / name).read_bytes() for name in sums.names(base.path)}
        files["config.yaml"] = contents.config_text(run.config).encode()
        files["rows.csv"] = contents.as_bytes(base.rows, base.read_rows().assign(**names))
        files["status.json"] = json.dumps(record, indent=2).encode() + b"\n"
        run.folder.mkdir(parents=True)
        sums.write({run.folder / name: content for name, content in files.items()})


def _measured(words: Sequence[str]) -> dict[str, float]:
    """CPU seconds, seconds on the clock and peak memory of a command, started by a small process: the peak of one that
    this process starts would be at least its own."""
    command = [sys.executable, "-c", _METER, sys.executable, "-m", "robust", *words]
    start = time.perf_counter()
    told = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True).stdout.split()
    wall = time.perf_counter() - start
    return {"cpu_seconds": float(told[0]), "wall_seconds": wall, "peak_bytes": 1024 * float(told[1])}


def held(runs_dir: Path) -> pd.DataFrame:
    """The memory of a process that makes 200 runs, a line for each twenty of them but the first: `runs`, up to which;
    `bytes` of memory and open file `descriptors`, the least seen of each, since some are held only for a moment."""
    shutil.rmtree(runs_dir, ignore_errors=True)
    words = ["train", "-m", "technique=natural", f"seed=range(0,{_MADE})", "trainer.max_epochs=1", "evaluation=natural"]
    command = [sys.executable, "-m", "robust", *words, f"runs_dir={runs_dir}"]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
    seen, about = [], psutil.Process(process.pid)
    while process.poll() is None and (made := len([*runs_dir.glob("*/status.json")])) < _MADE:
        if made >= _EVERY:  # by then it has imported all that it needs
            runs = _EVERY * (made // _EVERY + 1)
            seen.append({"runs": runs, "bytes": about.memory_info().rss, "descriptors": about.num_fds()})
        time.sleep(0.05)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, words[:1])
    return pd.DataFrame(seen).groupby("runs", as_index=False).min()


def write_page(table: pd.DataFrame, made: pd.DataFrame, out: Path) -> None:
    """Writes README.md, scaling.csv, one_process.csv and scaling.svg to the folder `out`."""
    met = (table["cpu_seconds"] < _LIMITS[0]) & (table["peak_bytes"] < _LIMITS[1])
    lines = [
        "# Thousands of runs",
        "",
        f"`python -m benchmarks.scaling FOLDER` on {os.cpu_count()} CPU cores, commit {git_commit() or 'unknown'}. "
        "CPU seconds include start and imports (5 to 6 s): what the command takes where nothing else runs. The clock "
        "is that of a machine that may do other work. Memory is the peak. Each run has 34 rows, each kind five seeds.",
        "",
        "![Seconds and memory against the number of runs; dashed: 60 s and 4 GB](scaling.svg)",
        "",
        "| command | runs | CPU s | on the clock, s | memory, GB | under 60 s and 4 GB |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {one.command} | {one.runs:,} | {one.cpu_seconds:.1f} | {one.wall_seconds:.0f} | "
            f"{one.peak_bytes / 1e9:.2f} | {'yes' if fine else 'no'} |"
            for one, fine in zip(table.itertuples(), met, strict=True)
        ),
        "",
        f"A process that makes {_MADE} runs, one after the other, holds {made['bytes'].iloc[0] / 1e6:,.0f} MB of "
        f"memory and {made['descriptors'].iloc[0]} file descriptors during the second {_EVERY} of them, "
        f"{made['bytes'].iloc[-1] / 1e6:,.0f} MB and {made['descriptors'].iloc[-1]} during the last "
        "(the least seen; one_process.csv).",
    ]
    atomic_write(out / "README.md", "\n".join(lines) + "\n")
    atomic_write(out / "scaling.csv", table.to_csv(index=False, float_format="%.4g"))
    atomic_write(out / "one_process.csv", made.to_csv(index=False))
    _draw(table).savefig(out / "scaling.svg")


def _draw(table: pd.DataFrame) -> Figure:
    panels = {"cpu_seconds": ("seconds of processors", 1), "peak_bytes": ("memory, GB", 1e9)}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        for axis, (name, (label, unit)), limit in zip(figure.subplots(1, 2), panels.items(), _LIMITS, strict=True):
            for place, (command, each) in enumerate(table.groupby("command", sort=False)):
                style = {"color": COLOURS[place], "marker": MARKERS[place]}
                axis.plot(each["runs"], each[name] / unit, label=command, **style)
            axis.axhline(limit / unit, color="0.6", linestyle="--", linewidth=1)
            axis.set(xlabel="finished runs", ylabel=label, ylim=(0, None))
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    run_command(main)
