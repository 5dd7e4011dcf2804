"""`python -m robust.report.pretext RUNS`: what learning without labels is worth."""

import argparse
from pathlib import Path

from robust.errors import reported


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.report.pretext",
        description="Shows how well networks among RUNS learnt without labels, and what starts from them, with few "
        "labels and with all, on natural and perturbed images and under attack, against what starts anew.",
    )
    parser.add_argument("runs", nargs="+", help="runs' folders, or folders that hold some")
    parser.add_argument("--out", type=Path, help="the folder to write to (default: beside the runs)")
    arguments = parser.parse_args()

    from robust.report.page import write_report
    from robust.report.pretext_tables import pretext_runs
    from robust.report.self_supervised import self_supervised
    from robust.runs import find_runs

    folders = find_runs(arguments.runs)
    runs = pretext_runs(folders)
    found = [section for section in self_supervised(folders, runs) if section.title]
    for section in found:
        print(f"{section.title}. {section.text}")
    out = arguments.out or folders[0].parent / "pretext"
    untested = [run.folder for run in runs if run.folder not in folders]
    print("page:", write_report(folders, out, found, untested=untested))


if __name__ == "__main__":
    reported(main)
