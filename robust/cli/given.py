"""Commands on models as they are given: `robust evaluate`, `robust check`."""

from pathlib import Path

from robust.cli.command import argument, command, key_values
from robust.errors import FailedError, loading


@command(
    argument(
        "model", metavar="MODEL", help="timm:NAME, torchvision:NAME, FILE.onnx, a folder, package.module:name, ..."
    ),
    argument("data", metavar="DATA", help="a choice of data, a folder of images, FILE.npz"),
    key_values("*", "weights=FILE evaluation=camera data.size=224 attack=pgd"),
)
def _evaluate(model: str, data: str, settings: list[str]) -> None:
    """Measure any model on any data, as it is.

    MODEL: timm:NAME, torchvision:NAME, robustbench:NAME (weights=FILE), an ONNX file, a folder of Hugging Face's,
    package.module:name (a class, a function or a network), the folder of a run, or a choice of model. DATA: a choice of
    data, a folder of images, an .npz file. It is the run `technique=pretrained` of robust train, with evaluation=camera
    where nothing else is said: the same command again continues.

    $ robust evaluate timm:resnet18 images weights=resnet18.pth
    $ robust evaluate my_network:make digits
    """
    from robust.experiment.specs import evaluation_overrides

    overrides = evaluation_overrides(model, data, settings)
    with loading():
        from robust.sweep import run_alone
    run_alone(overrides)


@command(
    argument("exported", type=Path, metavar="EXPORTED", help="a file that robust export wrote: .onnx or .safetensors"),
    argument("--run", type=Path, metavar="RUN", help="the run's folder (default: the one the file names, in ./runs)"),
)
def _check(exported: Path, run: Path | None) -> None:
    """Check an exported model against its run, image by image, before it is shipped.

    Under every condition that the run was tested under (one trial of each): accuracy before and after, predictions that
    flip, McNemar's exact test. The table is written beside the file (EXPORTED.check.csv). Exit status 1: a file in 32
    bits gives other logits, or one of fewer bits loses accuracy, significantly and by more than a point.

    $ robust check exported/RUN.onnx
    $ robust check exported/RUN.int8.onnx --run runs/RUN
    """
    with loading():
        from robust.experiment.ship import print_ship_check, ship_check

    done = ship_check(exported, run)
    print_ship_check(done.table, exported)
    print(f"table: {done.written}")
    if done.faults:
        raise FailedError(*(f"{exported.name}, {fault}" for fault in done.faults))
