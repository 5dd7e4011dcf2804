"""Commands on runs that are finished: `robust compare`, `robust evidence`."""

from argparse import ArgumentTypeError
from pathlib import Path

from robust.cli.command import argument, command, to_folder
from robust.errors import check, loading, started
from robust.values.text import plain

_SIDE = "runs, a folder that holds some, a report's folder or page, or a table of rows (.parquet)"


@command(
    argument("first", type=Path, metavar="FIRST", help=_SIDE),
    argument("second", type=Path, metavar="SECOND", help="the same, what FIRST is compared with"),
    argument("--out", type=to_folder, help="the folder of a page to write, with every condition (default: none)"),
)
def _compare(first: Path, second: Path, out: Path | None) -> None:
    """Say what changed between two sets of runs, in pairs.

    Runs are paired by what they are and their seed, tests by condition, trial and images. What is set otherwise is
    named, and what has no partner.

    $ robust compare runs-before runs
    $ robust compare results/digits runs --out changed
    """
    with loading():
        from robust.compare import compared, comparison_lines, print_comparison, read_side, write_comparison
    found = compared(read_side(first), read_side(second))
    for line in comparison_lines(found):
        print(plain(line))
    print_comparison(found)
    if out is not None:
        with started():
            print("page:", write_comparison(found, out))


def _to_range(text: str) -> tuple[str, float]:
    """A perturbation and the level up to which it is meant to be tolerated."""
    name, _, level = text.partition("=")
    try:
        return name, float(level)
    except ValueError:
        raise ArgumentTypeError(f"must be NAME=LEVEL such as noise=0.02; got {text}") from None


@command(
    argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run's folder; several, where their seeds alone differ"
    ),
    argument(
        "--range",
        dest="ranges",
        type=_to_range,
        action="append",
        default=[],
        metavar="NAME=LEVEL",
        help="up to which level a perturbation is to be tolerated; may be given again (none)",
    ),
    argument("--target", type=float, help="the accuracy to be kept (nine tenths of that on natural images)"),
    argument("--out", type=to_folder, help="the folder to write to (default: beside the runs)"),
    argument("--formats", default="html,pdf", help="some of html, pdf (both); pdf needs robust[pdf]"),
)
def _evidence(
    runs: list[Path], ranges: list[tuple[str, float]], target: float | None, out: Path | None, formats: str
) -> None:
    """Write an evidence sheet: what a provider has to state of a network.

    The range of conditions it is meant for and the levels it tolerates, accuracy with intervals, calibration, the
    weakest classes, attacks, what was not tested, hashes; and which clauses of the AI Act's Article 15 and of ISO/IEC
    24029-2 that bears on. It is no certificate.

    $ robust evidence runs/RUN
    $ robust evidence runs/RUN --range noise=0.02 --range iso=3200 --target 0.9
    """
    check("--range", ", ".join(name for name, _ in ranges), "given once for each", len(dict(ranges)) == len(ranges))
    with loading():
        from robust.evidence import write_evidence
    for path in write_evidence(runs, out, stated=dict(ranges), target=target, formats=formats.split(",")):
        print("evidence:", path)


@command(
    argument("--entity", required=True, help="whose project: a user or a team"),
    argument("--project", default="robust", help="as logger.project (default: robust)"),
)
def _dashboard(entity: str, project: str) -> None:
    """Save the dashboard of a W&B project, and print its address.

    $ robust dashboard --entity my-team
    $ robust dashboard --entity my-team --project robust
    """
    from robust.track.dashboard import save_dashboard

    print("dashboard:", save_dashboard(entity, project))
