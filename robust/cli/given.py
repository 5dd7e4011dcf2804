"""Commands on models as they are given: `robust evaluate`, `robust check`."""

from pathlib import Path

from robust.cli.command import argument, command, key_values, to_existing
from robust.errors import loading


@command(
    argument("model", metavar="MODEL", help="timm:NAME, torchvision:NAME, FILE.onnx, a folder, package.module:name, ..."),
    argument("data", metavar="DATA", help="a choice of data, a folder of images, FILE.npz"),
    key_values("*", "weights=FILE evaluation=camera data.size=224 attack=pgd"),
)
def _evaluate(model: str, data: str, settings: list[str]) -> None:
    """Measure a model of anyone's on data of anyone's, as it is.

    MODEL: timm:NAME, torchvision:NAME, robustbench:NAME (weights=FILE), an ONNX file, a folder of Hugging Face's,
    package.module:name (a class, a function or a network), the folder of a run, or a choice of model. DATA: a choice of
    data, a folder of images, an .npz file. It is the run `technique=pretrained` of robust train, with evaluation=camera
    where nothing else is said: the same command again continues.

    $ robust evaluate torchvision:resnet18 digits evaluation=natural weights=resnet18.pth
    $ robust evaluate my_network:make digits evaluation=natural
    """
    from robust.experiment.specs import evaluation_overrides

    overrides = evaluation_overrides(model, data, settings)
    with loading():
        from robust.sweep import run_alone
    run_alone(overrides)
