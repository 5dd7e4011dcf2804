"""`python -m robust.report RUNS`: the table and the page of any runs."""

import argparse
from pathlib import Path

from robust.errors import reported


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.report", description="Writes the page of finished runs and prints their table."
    )
    parser.add_argument("runs", nargs="+", help="runs' folders, or folders that hold some")
    parser.add_argument("--out", type=Path, help="the folder to write to (default: beside the runs)")
    parser.add_argument(
        "--formats",
        default="",
        metavar="FORMAT,...",
        help="write these too: svg, png, pdf of every figure, tex (LaTeX), md of every table",
    )
    arguments = parser.parse_args()

    from robust.report import print_results, write_report  # imports torch: not for --help
    from robust.runs import collect, find_runs

    folders = find_runs(arguments.runs)
    print_results(collect(folders))
    print("page:", write_report(folders, arguments.out, formats=[*filter(None, arguments.formats.split(","))]))


if __name__ == "__main__":
    reported(main)
