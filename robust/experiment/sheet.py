"""A contact sheet of perturbations at several strengths."""

import copy
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from robust.data import ImageSet, one_of_each, to_float
from robust.errors import check
from robust.perturb import DrawnStrength, Perturbation
from robust.report.figures import STYLE, show_image

#: of a perturbation's level, by what to call it
STRENGTHS = {"low": 1 / 3, "middle": 2 / 3, "high": 1.0}


def contact_sheet(
    test: ImageSet,
    perturbations: Sequence[Sequence[Perturbation]],
    *,
    strengths: Sequence[str] = tuple(STRENGTHS),
    images: int = 3,
    seed: int = 0,
) -> Figure:
    """A figure: a row for each perturbation, which is given at all `strengths`; columns for the image as it is and at
    each of these, for so many `images`, each of another class. Raises ValueError for more images than classes."""
    most = len(test.classes)
    check("images", images, f"from 1 to {most}, the number of classes", 1 <= images <= most)
    natural = to_float(test.images[one_of_each(test, images)])
    across = 1 + len(strengths)
    with matplotlib.rc_context(STYLE):
        size = (0.8 * across * images + 1, 0.85 * len(perturbations) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(perturbations), across * images, squeeze=False)
        for row, (line, ways) in enumerate(zip(axes, perturbations, strict=True)):
            columns = {"natural": natural}
            for strength, given in zip(strengths, ways, strict=True):
                perturbation = copy.copy(given)
                if isinstance(perturbation, DrawnStrength):
                    perturbation.lowest = 1.0  # as strong as its level, in every image
                columns[strength] = perturbation(natural, seed=seed)
            line[0].set_ylabel(given.name.replace("_", "\n"), rotation=0, ha="right", va="center")
            for place in range(images):
                for column, (strength, shown) in enumerate(columns.items()):
                    show_image(line[across * place + column], shown[place].numpy(), "" if row else strength)
    return figure
