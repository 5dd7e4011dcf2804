"""The command on what finished runs tolerate: `robust tolerance`."""

from pathlib import Path

from robust.cli.command import argument, command, to_folder
from robust.errors import check, loading, started

_OWN = ("target", "share", "beside")


@command(
    argument("words", nargs="+", metavar="RUNS [KEY=VALUE ...]", help="runs' folders, or folders that hold some; keys"),
    argument("--out", type=to_folder, help="a folder for levels.csv, and images.csv and .parquet (none)"),
)
def _tolerance(words: list[str], out: Path | None) -> None:
    """Up to which level of a perturbation finished runs keep their accuracy, and each image its prediction.

    Keys: target (the accuracy to be kept, such as 0.8) or share (of the natural model's on natural images: 0.9),
    perturb (noise,iso,...: those of evaluation=tolerance), beside (the folder of the run that all are compared with;
    each run's natural model), evaluation.KEY, camera.KEY, trainer.threads. What is tested is added to the runs' files,
    and no test is made twice; robust report shows images by class, and those that fall first.

    $ robust tolerance runs perturb=noise
    $ robust tolerance runs share=0.8 perturb=noise,blur --out tolerance
    """
    settings = [one for one in words if "=" in one and not Path(one).exists()]
    runs = [one for one in words if one not in settings]
    own = {key: value for key, _, value in (one.partition("=") for one in settings) if key in _OWN}
    others = [one for one in settings if one.partition("=")[0] not in _OWN]
    check("RUNS", "none", "runs' folders, or folders that hold some", bool(runs), "Name one: robust tolerance runs.")
    target, share = (_share(key, own[key]) if key in own else None for key in ("target", "share"))
    holds = target is None or share is None
    check("share", share, "left out where there is a target", holds, "Give one of them.")
    with loading():
        from robust.experiment.tolerance import measure_tolerance
        from robust.runs import collect, find_runs, image_limits, write_table
        from robust.tolerated import print_tolerated, said, tolerated_levels

    beside = find_runs([own["beside"]]) if "beside" in own else []
    check("beside", own.get("beside"), "the folder of one run", len(beside) < 2)
    folders, tested = measure_tolerance([*runs, *map(str, beside)], others)
    name = beside[0].name if beside else ""
    levels = tolerated_levels(folders, collect(folders), target=target, share=share, beside=name, only=tested)
    print_tolerated(levels)
    for sentence in said(levels):
        print(sentence)
    if out:
        with started():
            out.mkdir(parents=True, exist_ok=True)
            paths = [*write_table(image_limits(folders), out / "images"), out / "levels.csv"]
            levels.to_csv(paths[-1], index=False)
        print(", ".join(map(str, paths)))


def _share(key: str, text: str) -> float:
    """A fraction between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    check(key, text, "a number above 0 and below 1", 0 < value < 1, "It is a fraction: 0.8 for 80 %.")
    return value
