"""A contact sheet of perturbations at low, middle and high strength."""

import copy
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from robust.data import one_of_each, to_float
from robust.errors import check
from robust.experiment.build import build_perturbation, build_splits
from robust.experiment.compose import compose, each_perturbation
from robust.perturb import DrawnStrength
from robust.report.figures import STYLE, show_image

_STRENGTHS = {"low": 1 / 3, "middle": 2 / 3, "high": 1.0}
WORLD = "shift,zoom,shear,rotate,perspective,erase,mesh,texture,pixel_dropout"


def contact_sheet(settings: Sequence[str] = (), *, images: int = 3) -> Figure:
    """A figure: a row for each perturbation that `settings`, as on the command line, name; columns for the image as it
    is and at a third, two thirds and all of the perturbation's level, for each image."""
    jobs = each_perturbation(settings, perturb=WORLD)
    configs = [compose(job) for job in jobs]
    test = build_splits(configs[0].data).test
    most = len(test.classes)
    check("images", images, f"from 1 to {most}, the number of classes", 1 <= images <= most)
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
