"""The command on pictures that a finished run's network meets: `robust monitor`."""

from pathlib import Path

from robust.cli.command import argument, command, key_values, to_table
from robust.errors import loading, started


@command(
    argument("run", type=Path, metavar="RUN", help="the folder of a finished run"),
    argument("folder", type=Path, metavar="FOLDER", help="a folder of unlabelled pictures"),
    key_values("*", "perturb=noise,blur (default: those of evaluation=tolerance)"),
    argument("--window", type=int, default=200, help="how many pictures are judged together (200)"),
    argument("--out", type=to_table, help="what to call the table: OUT.parquet, OUT.csv (none)"),
)
def _monitor(run: Path, folder: Path, settings: list[str], window: int, out: Path | None) -> None:
    """Say what was done to unlabelled pictures, and how accurate a network is on them.

    For every window of pictures, in the order of their names: the perturbation and about which level, and the share
    that the network recognises, estimated, with a 95 % interval. On first use the monitor is made of the run's images
    and kept in its folder, with its error at levels it never saw (monitor.parquet). Keys: perturb (which perturbations
    it knows), evaluation.conditions.NAME (levels), camera.KEY.

    $ robust monitor runs/RUN pictures
    $ robust monitor runs/RUN pictures perturb=noise,blur,iso --window 100 --out seen
    """
    with loading():
        from robust.experiment.monitor import monitor, print_monitor
        from robust.runs import write_table
    found = monitor(run, folder, window=window, settings=settings)
    print_monitor(run, found)
    if out is not None:
        with started():
            print(", ".join(map(str, write_table(found, out))))
