"""Commands on runs that are finished: `robust compare`."""

from pathlib import Path

from robust.cli.command import argument, command, to_folder
from robust.errors import loading, started
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
