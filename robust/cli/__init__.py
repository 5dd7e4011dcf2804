"""`robust COMMAND ...`: every command and its arguments. Nothing heavy is imported before a command is accepted."""

import argparse
import importlib.metadata
import inspect
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robust.cli.command import (
    COMMANDS,
    PICTURES,
    Parser,
    argument,
    command,
    key_values,
    to_folder,
    to_numbers,
    to_picture,
    to_table,
)
from robust.errors import check, loading, run_command, started, suggest
from robust.experiment.search_path import CONF, at_home, project_folders, take_project, trust_projects

_HELP = """usage: robust COMMAND ... [--config-dir FOLDER] [--debug]

{commands}

`robust COMMAND --help` lists a command's arguments, with examples; `robust --version` says the version. --debug shows
tracebacks, --config-dir FOLDER adds choices of your own (FOLDER/perturb/mine.yaml) and the modules beside that folder.
Exit status: 0 all went well; 1 a run failed; 2 the command was wrong, and nothing was started; 130 stopped (Ctrl-C)."""
_ENVIRONMENT = "shift,zoom,shear,rotate,perspective,erase,mesh,texture,pixel_dropout"
_NOW_REPORT = ("layers", "pretext")  # commands that there were


def main() -> None:
    """The command `robust`."""
    sys.argv[0] = "robust"  # of `python -m robust` too: what a run records as its command
    run_command(lambda: _call(take_project(sys.argv[1:])))


def _call(words: Sequence[str]) -> None:
    name, *others = words or ["--help"]
    if name in ("-h", "--help", "help"):
        lines = (f"  {one:<10} {inspect.getdoc(called)}".partition("\n")[0] for one, (called, _) in COMMANDS.items())
        print(_HELP.format(commands="\n".join(lines)))
    elif name == "--version":
        print(importlib.metadata.version("robust"))
    elif name in ("-sc", "--shell-completion"):
        _complete(others)
    elif name in _NOW_REPORT:
        raise ValueError(
            f"`{name}` is not a command: what it showed stands on the page of the runs, robust report RUNS."
        )
    elif name not in COMMANDS:
        raise ValueError(f"`{name}` is not a command.{suggest(name, COMMANDS)} There are {', '.join(COMMANDS)}.")
    elif name == "train":
        sys.argv[0] = "robust train"
        _train(others)
    else:
        function, arguments = COMMANDS[name]
        parser = Parser(prog=f"robust {name}", description=inspect.getdoc(function), allow_abbrev=False)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        for word, options in arguments:
            parser.add_argument(word, **options)
        given = vars(parser.parse_intermixed_args([*map(at_home, others)]))
        trust_projects()
        function(**given)


_RUNS = argument("runs", nargs="+", metavar="RUNS", help="runs' folders, or folders that hold some")
_OUT = argument("--out", type=to_folder, help="the folder to write to (default: beside the runs)")
_FORMATS = argument("--formats", default="", help="further ones: some of svg, png, pdf, tex, md (none)")
_EXPOSURE = argument("--exposure", default="", help="which tests: seen in training, family, far, unknown (all)")


@command()
def train() -> None:
    """Train and measure a run, or with -m many."""
    run_command(lambda: _train(take_project(sys.argv[1:])))


def _train(words: Sequence[str]) -> None:
    """Hands the arguments to Hydra."""
    import hydra

    from robust.experiment.explain import explained, without_bases
    from robust.experiment.overrides import readable, spread

    sys.argv[1:] = [*(f"--config-dir={one}" for one in project_folders()[:1]), *spread([*map(readable, words)])]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what goes wrong, and `run_command` says it
    with explained(lambda: importlib.import_module("robust.experiment.compose").known_keys()), without_bases(words):
        hydra.main(config_path=str(CONF), config_name="train", version_base=None)(_run_task)()


def _run_task(_: Any) -> str:
    with loading():
        from robust.sweep import run_task  # imports torch: not for --help
    return run_task()


def _complete(words: Sequence[str]) -> None:
    """Tab completion, as Hydra's script in the shell asks for it: of commands, and after `train` Hydra's own."""
    line = os.environ.get("COMP_LINE", "")
    after_train = re.sub(r"^(\s*\S+)\s+train\s", r"\1 ", line)
    if " ".join(words).startswith("query=") and after_train == line:
        print(" ".join(COMMANDS))
    else:
        os.environ["COMP_LINE"] = after_train
        _train(["-sc", *words])


@command(key_values("+", "run=FOLDER,... attack=pgd attack.eps=8/255 trainer.threads=1"))
def _attack(settings: list[str]) -> None:
    """Attack the models of finished runs; report robust accuracy.

    Keys: run (folders of runs, or that hold some), attack (fgsm, pgd, ...), attack.KEY (eps, norm, steps, images, ...:
    those of its file in conf/attack). The outcome is added to the runs' attacks.parquet. No attack is made twice.

    $ robust attack run=runs attack=pgd attack.eps=8/255
    $ robust attack run=runs attack=pgd attack.eps=0.1 attack.images=5
    """
    named = (one.removeprefix("run=") for one in settings if one.startswith("run="))
    runs = [at_home(folder) for one in named for folder in one.split(",") if folder]
    check("run", "none", "runs' folders, or folders that hold some", bool(runs), "Name one: run=runs.")
    from robust.experiment.attack import attack_runs
    from robust.report import print_attacks

    print_attacks(attack_runs(runs, [one for one in settings if not one.startswith("run=")]))


@command(_RUNS, _OUT, _FORMATS, _EXPOSURE)
def _report(runs: list[str], out: Path | None, formats: str, exposure: str) -> None:
    """Print the results of finished runs and write their page.

    $ robust report runs
    $ robust report runs --out paper --formats pdf,tex
    $ robust report runs --exposure far
    """
    from robust.page import write_report
    from robust.report import print_results
    from robust.runs import collect, find_runs

    print_results(collect(folders := find_runs(runs)), folders, exposure=exposure)
    with started():
        print("page:", write_report(folders, out, formats=[*filter(None, formats.split(","))], exposure=exposure))


@command(
    _RUNS, argument("--out", type=to_table, default="rows", help="what to call the files: OUT.parquet, OUT.csv (rows)")
)
def _collect(runs: list[str], out: Path) -> None:
    """Gather the rows of finished runs into one table, as Parquet and CSV.

    Writes rows.parquet and rows.csv into the working folder, or what --out names: tables/digits.parquet and
    tables/digits.csv. A row is a trial: accuracy of one model under one condition, with the settings in which runs
    differ, and what the run cost: price.seconds, price.joules and others.

    $ robust collect runs
    $ robust collect runs --out tables/digits
    """
    from robust.runs import collect, find_runs, prices, with_settings, write_table

    rows = with_settings(collect(folders := find_runs(runs)), folders).join(prices(folders), on="run")
    with started():
        paths = write_table(rows, out)
    print(f"{len(rows)} rows of {rows['run'].nunique()} runs: {', '.join(map(str, paths))}")


@command(
    argument("folder", type=to_folder, metavar="FOLDER", help="where images go: FOLDER/{train,test}/CLASS/*.png"),
    key_values("*", "data=tiny_imagenet perturb=shift,zoom perturb.level=1 seed=1 (default: perturb=environment)"),
    argument("--share", type=float, default=1.0, help="of the images that are perturbed, from 0 to 1 (1)"),
    argument("--held-out", type=float, help="share of the training images that becomes the test images"),
    argument("--layout", choices=["png", "cifar10_c"], default="png", help="cifar10_c: corruptions as .npy (png)"),
)
def _store(folder: Path, settings: list[str], share: float, held_out: float | None, layout: str) -> None:
    """Store a perturbed data set as PNG images, or as CIFAR-10-C is published.

    Keys: data, data.KEY, perturb (of several, each image is stored once for each), perturb.level, seed. It is read with
    data=folder data.path=FOLDER. A manifest says what was done to each image. The same command again continues.
    --layout cifar10_c: of the test images, labels.npy and CORRUPTION.npy, severities 1 to 5 in blocks, of the common
    corruptions that perturb names (all); evaluation.published=FOLDER tests on it.

    $ robust store noisy data=digits perturb=noise
    $ robust store half data=digits perturb=shift,zoom perturb.level=0.2 --share 0.5
    $ robust store digits-c data=digits perturb=brightness,pixelate --layout cifar10_c
    """
    if layout == "cifar10_c":
        check("--share", share, "left out of --layout cifar10_c", share == 1)
        check("--held-out", held_out, "left out of --layout cifar10_c", held_out is None)
        _store_corruptions(folder, settings)
        return
    check("--share", share, "from 0 to 1", 0 <= share <= 1)  # before images are read
    from robust.data.store import store
    from robust.experiment.build import build_splits
    from robust.experiment.perturbed import named_perturbations
    from robust.experiment.validate import check_values

    config, found = named_perturbations(settings, usual="environment")
    check_values(config)
    perturbations, splits = [one for (one,) in found], build_splits(config.data, seed=config.seed)
    chosen = {"seed": config.seed, "share": share, "held_out": held_out, "settings": settings}
    manifest = store(folder, splits, perturbations, **chosen, progress=True)
    counts = manifest.groupby("part", sort=False).size()
    print(f"{', '.join(f'{count} in {part}' for part, count in counts.items())}: {folder}")


def _store_corruptions(folder: Path, settings: list[str]) -> None:
    """Stores a data set's test images under corruptions as CIFAR-10-C is published."""
    from robust.data import recreate
    from robust.experiment.build import build_splits
    from robust.experiment.perturbed import named_corruptions
    from robust.experiment.validate import check_values

    config, corruptions = named_corruptions(settings)
    check_values(config)
    test, about = build_splits(config.data).test, {"data": config.data.name, "settings": sorted(settings)}
    files = recreate(folder, test, corruptions, seed=config.seed, about=about, progress=True)
    print(f"{len(files)} corruptions of {len(test)} images at 5 severities: {folder}")


@command(
    _RUNS,
    argument("--out", type=to_folder, default="exported", help="the folder to write to (exported)"),
    argument(
        "--formats",
        default="robustbench,onnx,safetensors",
        help="some of robustbench, onnx, safetensors, onnx-int8, bf16 (the first three)",
    ),
    argument("--threat", default="Linf", help="RobustBench's name of the threat: Linf (default), L2 or corruptions"),
)
def _export(runs: list[str], out: Path, formats: str, threat: str) -> None:
    """Export models: ONNX, safetensors, RobustBench.

    Each file is read back, and its logits are compared. All of them take images in [0, 1]. onnx-int8 computes in 8
    bits, calibrated on training images; bf16 is safetensors in bfloat16. `robust check` says what that costs.

    $ robust export runs
    $ robust export runs --formats safetensors
    """
    from robust.experiment.ship import training_images
    from robust.runs import find_runs
    from robust.runs.export import export_all

    found = export_all(
        find_runs(runs, measured=False), out, formats=formats.split(","), threat=threat, training=training_images
    )
    for path, differs in found:
        print(f"{path}: read back, logits differ by at most {differs:.1g} of the greatest")


@command(
    argument("file", type=to_picture, metavar="FILE", help=f"where it goes; it ends in {', '.join(PICTURES)}"),
    key_values("*", "data=tiny_imagenet perturb=noise,blur (default: all that perturb=environment draws from)"),
    argument("--images", type=int, default=3, help="how many images, each of another class (3)"),
    argument("--levels", type=to_numbers, default=(), help="which levels (default: low, middle and high shares)"),
)
def _sheet(file: Path, settings: list[str], images: int, levels: tuple[float, ...]) -> None:
    """Draw a contact sheet: test images under each perturbation at several strengths.

    $ robust sheet sheet.png data=digits perturb=noise,blur,rotate --images 2
    $ robust sheet corruptions.png data=digits perturb=fog,contrast --levels 1,2,3,4,5
    $ robust sheet environment.pdf data=digits
    """
    from robust.experiment.build import build_splits
    from robust.experiment.perturbed import named_perturbations
    from robust.experiment.sheet import STRENGTHS, contact_sheet
    from robust.files import atomic_write
    from robust.report import draw

    config, rows = named_perturbations(settings, usual=_ENVIRONMENT, shares=[*STRENGTHS.values()], levels=levels)
    strengths = [f"{level:g}" for level in levels] or [*STRENGTHS]
    test = build_splits(config.data).test
    figure = contact_sheet(test, rows, strengths=strengths, images=images, seed=config.seed)
    with started():
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, draw(figure, file.suffix[1:].lower()))
    print(file)


from robust.cli import certify, given, monitor, told, tolerance  # noqa: E402, F401, their commands come last
