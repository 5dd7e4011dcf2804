"""The 120 models of CIFAR-10 on a GPU that is lent for minutes, part by part.

There, as many as fit into the time: `python -m benchmarks.cifar_grid train --out OUT`; `OUT/part.tar.xz` holds their
rows, summaries and curves, and no weights. At home: `python -m benchmarks.cifar_grid add PART.tar.xz ...` adds parts to
`results/strategies_cifar10/`, each run once, and writes the report of all. The next time begins with what is missing
there; with the natural model again where others start from it, of which the first results stay.
"""

import argparse
import contextlib
import signal
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.grid import jobs_of
from robust.errors import run_command
from robust.experiment.prepare import prepare
from robust.page import write_report
from robust.runs import State, read_status
from robust.sweep import launch

_SWEEP = "strategies_cifar10"
_RESULTS = Path(__file__).parent.parent / "results" / _SWEEP
#: what is trained first, after the natural model
_TELLING = ("noise", "0.05"), ("blur_channels", "1.0"), ("stuck", "2")
_STORE = "runs.tar.xz"
_LEFT = ("model.ckpt", "predictions.parquet", "samples.npz", "sums.json")  # where it was trained
_MOST_BYTES = 16 << 20  # of a file that comes home


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cifar_grid", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("train", help="train and test what is missing, natural first, while there is time")
    one.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="for all of them, such as trainer.threads=1")
    one.add_argument("--seconds", type=float, default=420, help="after which what is under way is given up (420)")
    one.add_argument("--pack", default="auto", help="runs at a time (auto)")
    one.add_argument("--out", type=Path, default=Path(), help="where part.tar.xz goes")
    another = commands.add_parser("add", help="add parts to the results, and write their report")
    another.add_argument("parts", nargs="+", type=Path, metavar="PART", help="what `train` brought home")
    for each in (one, another):
        each.add_argument("--results", type=Path, default=_RESULTS, help=f"(results/{_SWEEP})")
    arguments = parser.parse_args()
    if arguments.command == "add":
        print(f"{add_parts(arguments.parts, arguments.results)} runs in {arguments.results}")
        return
    jobs = sorted(jobs_of(_SWEEP, arguments.settings), key=lambda job: not _is_telling(job))
    with tempfile.TemporaryDirectory() as folder:
        train(jobs, Path(folder), known=names_in(arguments.results), pack=arguments.pack, seconds=arguments.seconds)
        count = write_part(Path(folder), arguments.out / "part.tar.xz")
    print(f"{count} of {len(jobs)} runs: {arguments.out / 'part.tar.xz'}")


def _is_telling(job: Sequence[str]) -> bool:
    return any({f"perturb={name}", f"perturb.level={level}"} <= {*job} for name, level in _TELLING)


def names_in(results: Path) -> set[str]:
    """The names of the runs that these results hold."""
    if not (results / _STORE).is_file():
        return set()
    with tarfile.open(results / _STORE) as store:
        return {name.partition("/")[0] for name in store.getnames()}


def train(jobs: Sequence[list[str]], runs_dir: Path, *, known: set[str], pack: Any, seconds: float) -> None:
    """Trains and tests the runs of these overrides that are not `known`, in this order, as many as fit into the time;
    what others start from first."""
    runs = [prepare([*job, f"runs_dir={runs_dir}"]) for job in jobs]
    left = [run for run in runs if run.identity.folder not in known]
    parents = {parent.folder: parent for run in left for parent in run.parents.values()}
    first = [run for run in runs if run.folder in parents or (run in left and run.reference is None)]
    with _at_most(seconds):
        for some in (first, [run for run in left if run not in first]):
            launch([list(run.overrides) for run in some], pack=pack)


class _TimeIsUpError(BaseException):
    """Not an Exception, which a run would record as its failure."""


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Ends what is done within it after so many seconds."""

    def end(*_: Any) -> None:
        raise _TimeIsUpError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with contextlib.suppress(_TimeIsUpError):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def write_part(runs_dir: Path, path: Path, *, most_bytes: int = _MOST_BYTES) -> int:
    """Writes what is small of the finished runs in a folder to an archive; returns how many. Those that came last are
    left out where it would be larger than `most_bytes`."""
    done = [folder for folder in runs_dir.glob("*/") if read_status(folder).state is State.DONE]
    size = count = 0
    with tarfile.open(path, "w:xz") as archive:
        for folder in sorted(done, key=lambda folder: (folder / "status.json").stat().st_mtime):
            files = sorted(file for file in folder.iterdir() if file.name not in _LEFT)
            size += sum(file.stat().st_size for file in files)  # it only becomes smaller
            if size > most_bytes:
                print(f"left out, the part would be too large: {len(done) - count} runs")
                break
            for file in files:
                archive.add(file, f"{folder.name}/{file.name}")
            count += 1
    return count


def add_parts(parts: Sequence[Path], results: Path) -> int:
    """Adds the runs of these parts that the results do not hold, and writes the report of all; returns how many there
    are then."""
    store = results / _STORE
    with tempfile.TemporaryDirectory() as folder:
        for part in (*([store] if store.is_file() else []), *parts):
            there = {path.name for path in Path(folder).iterdir()}
            with tarfile.open(part) as archive:
                new = [one for one in archive.getmembers() if one.name.partition("/")[0] not in there]
                archive.extractall(folder, new, filter="data")
        write_report(sorted(Path(folder).iterdir()), results)
        return write_part(Path(folder), store)


if __name__ == "__main__":
    run_command(main)
