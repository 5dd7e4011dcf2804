"""The command on what is certain of finished runs: `robust certify`."""

from robust.cli.command import argument, command, to_numbers
from robust.errors import loading, started


@command(
    argument("runs", nargs="+", metavar="RUNS", help="runs' folders, or folders that hold some"),
    argument("--sigma", type=float, help="standard deviation of the noise (default: what the run was trained on)"),
    argument("--keep", type=int, help="pixels that are kept, of technique=ablation (what the run was trained on)"),
    argument("--n", type=int, default=10_000, help="copies of each image that certify its class (10,000)"),
    argument("--n0", type=int, default=100, help="other copies that choose it (100)"),
    argument(
        "--alpha", type=float, default=0.001, help="probability that a certificate is wrong, of each image (0.001)"
    ),
    argument("--every", type=int, default=1, help="certify every N-th test image (1: all; published: 20)"),
    argument("--seed", type=int, default=0, help="of the copies (0)"),
    argument("--attack", type=to_numbers, default=(), help="sizes at which they are attacked too (none)"),
)
def _certify(
    runs: list[str],
    sigma: float | None,
    keep: int | None,
    n: int,
    n0: int,
    alpha: float,
    every: int,
    seed: int,
    attack: tuple[float, ...],
) -> None:
    """Certify by how much test images may change, in any way, and keep their class.

    Each image gets the class that the network gives most of its random copies. With noise (technique=smoothing) the
    certificate is a Euclidean distance; with most pixels left out (technique=ablation) it is a number of pixels: so
    many dead, hot or stuck ones, wherever they are, change nothing. A row for each image is added to the runs'
    certificates.parquet; what is there is not made again, and what was stopped goes on.

    $ robust certify runs/RUN
    $ robust certify runs/RUN --sigma 0.25 --n 1000 --every 20
    $ robust certify runs/RUN --every 20 --attack 1,2,5,8
    """
    with loading():
        from robust.certify import Counts
        from robust.experiment.certify import certify_runs
        from robust.page import write_report
        from robust.report.certificates import print_certificates
    counts = Counts(n0=n0, n=n, alpha=alpha, seed=seed)
    asked = certify_runs(runs, counts, sigma=sigma, keep=keep, every=every, attacks=attack)
    print_certificates(asked)
    with started():
        print("page:", write_report([*asked]))
