"""`python -m robust.report.sheet FILE`: a contact sheet of perturbations at low, middle and high strength."""

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robust.errors import reported

_STRENGTHS = {"low": 1 / 3, "middle": 2 / 3, "high": 1.0}
_WORLD = "shift,zoom,shear,rotate,perspective,erase,mesh,texture,pixel_dropout"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.report.sheet",
        description="Draws a contact sheet: some test images under each perturbation at low, middle and high strength.",
    )
    parser.add_argument("file", type=Path, help="where it goes: FILE.png, .svg or .pdf")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help=f"as for train.py: data=tiny_imagenet; perturb=... (default: {_WORLD})",
    )
    parser.add_argument("--images", type=int, default=3, help="how many images, each of another class (3)")
    arguments = parser.parse_args()

    figure = contact_sheet(arguments.settings, images=arguments.images)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.file, dpi=100)
    print(arguments.file)


def contact_sheet(settings: Sequence[str] = (), *, images: int = 3) -> Any:
    """A figure: a row for each perturbation that `settings`, as on the command line, name; columns for the image as it
    is and at a third, two thirds and all of the perturbation's level, for each image."""
    import matplotlib
    from matplotlib.figure import Figure

    from robust.data import one_of_each, to_float
    from robust.experiment.build import build_perturbation, build_splits
    from robust.experiment.compose import compose, each_perturbation
    from robust.perturb import DrawnStrength
    from robust.report.figures import STYLE, show_image

    jobs = each_perturbation(settings, perturb=_WORLD)
    configs = [compose(job) for job in jobs]
    test = build_splits(configs[0].data).test
    if not 1 <= images <= len(test.classes):
        raise ValueError(f"`--images` must be from 1 to {len(test.classes)}, the number of classes; got {images}.")
    natural = to_float(test.images[one_of_each(test, images)])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.8 * 4 * images + 1, 0.85 * len(configs) + 0.4), layout="constrained")
        axes = figure.subplots(len(configs), 4 * images, squeeze=False)
        for row, (line, job, config) in enumerate(zip(axes, jobs, configs, strict=True)):
            columns = {"natural": natural}
            for strength, share in _STRENGTHS.items():
                weaker = compose([*job, f"perturb.level={_level(config.perturb, share)}"]).perturb
                perturbation = copy.copy(build_perturbation(weaker))
                assert perturbation is not None
                if isinstance(perturbation, DrawnStrength):
                    perturbation.lowest = 1.0  # as strong as its level, in every image
                columns[strength] = perturbation(natural, seed=config.seed)
                line[0].set_ylabel(perturbation.name.replace("_", "\n"), rotation=0, ha="right", va="center")
            for place in range(images):
                for column, (strength, shown) in enumerate(columns.items()):
                    show_image(line[4 * place + column], shown[place].numpy(), "" if row else strength)
    return figure


def _level(perturb: Any, share: float) -> float:
    level = perturb.level * share
    is_count = perturb.family == "pixel"
    return max(1, round(level)) if is_count else level


if __name__ == "__main__":
    reported(main)
