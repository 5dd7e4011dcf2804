"""`python -m robust.report.layers RUNS`: which layers feel a perturbation, and which to train against it."""

import argparse
from pathlib import Path

from robust.errors import reported


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.report.layers",
        description="Shows how far each perturbation moves each layer of the natural networks among RUNS, what "
        "hardening that layer alone won where there are such runs, and where the networks look.",
    )
    parser.add_argument("runs", nargs="+", help="runs' folders, or folders that hold some")
    parser.add_argument("--images", type=int, default=200, help="test images that are measured (200)")
    parser.add_argument("--out", type=Path, help="the folder to write to (default: beside the runs)")
    arguments = parser.parse_args()

    from robust.report.page import write_report
    from robust.report.which_layers import which_layers
    from robust.runs import find_runs

    folders = find_runs(arguments.runs)
    sections, natural = which_layers(folders, images=arguments.images)
    for section in sections:
        print(f"{section.title} {section.text}")
    out = arguments.out or natural[0].parent / "layers"
    print("page:", write_report(natural, out, sections))


if __name__ == "__main__":
    reported(main)
