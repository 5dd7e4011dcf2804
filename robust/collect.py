"""`python -m robust.collect RUNS`: the rows of any runs as one table, for pandas, polars or DuckDB."""

import argparse
from pathlib import Path

from robust.errors import reported


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.collect", description="Gathers the rows of finished runs into one table."
    )
    parser.add_argument("runs", nargs="+", help="runs' folders, or folders that hold some")
    parser.add_argument(
        "--out", type=Path, default=Path("rows"), help="the table's name; .parquet and .csv are added (default: rows)"
    )
    arguments = parser.parse_args()

    from robust.files import atomic_write
    from robust.runs import collect, find_runs  # imports torch: not for --help

    out = arguments.out.with_suffix("") if arguments.out.suffix in (".parquet", ".csv") else arguments.out
    if out.is_dir():
        parser.error(f"--out names a table, not a folder; got {out}. For one in it: --out {out / 'rows'}")
    rows = collect(find_runs(arguments.runs))
    contents = {".parquet": rows.to_parquet(index=False), ".csv": rows.to_csv(index=False)}
    for suffix, content in contents.items():
        atomic_write(out.with_name(out.name + suffix), content)
    print(f"{len(rows)} rows of {rows['run'].nunique()} runs: {out}.parquet, {out}.csv")


if __name__ == "__main__":
    reported(main)
