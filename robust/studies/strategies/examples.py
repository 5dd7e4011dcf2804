"""The example images of arXiv 2004.03452, its figures 3, 5 and 7."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust.measure import NATURAL, Samples, condition_title
from robust.report.figures import COLOURS, STYLE, Drawing
from robust.studies.strategies.paper import DATA_TITLES, FAMILIES, Family, in_order, numbered


def example_figures(samples: Mapping[str, Samples]) -> dict[str, Drawing]:
    """The paper's figures 3, 5 and 7: an image under faulty pixels, noise and blur, a row for each data set (and kind
    of blur).

    `samples` of a natural model for each data set. The image is the first that the model knows when unperturbed. The
    numbers say what it takes it for: data, test_perturbation, test_level, label, predicted.
    """
    return numbered({number: _examples(samples, family) for number, family in zip("357", FAMILIES, strict=True)})


def _examples(samples: Mapping[str, Samples], family: Family) -> Drawing | None:
    rows = []
    for data in in_order(samples):
        kinds = [family.names] if family.together else [(name,) for name in family.names]
        for names in kinds:
            shown = _conditions(samples[data], names, only_highest=family.together)
            if len(shown) > 1:
                rows.append((data, shown))
    if not rows:
        return None
    width = max(len(shown) for _, shown in rows)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.95 * width + 0.8, 1.3 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), width, squeeze=False)
        for axis in axes.flatten():
            axis.axis("off")
        numbers = [
            _draw_example(axis, samples[data], data, place)
            for line, (data, shown) in zip(axes, rows, strict=True)
            for axis, place in zip(line, shown, strict=False)
        ]
        for line, (data, _) in zip(axes, rows, strict=True):
            title = DATA_TITLES.get(data, data)
            line[0].text(-0.1, 0.5, title, transform=line[0].transAxes, ha="right", va="center")
    caption = (
        f"An image under {family.title}; below each what a model trained on natural images takes it for, bold where "
        "that is wrong."
    )
    return Drawing(figure, caption, pd.DataFrame(numbers))


def _conditions(samples: Samples, names: Sequence[str], *, only_highest: bool) -> list[int]:
    """The places of natural images and of these perturbations' levels, in order; without the latter nothing else."""
    places = []
    for name in (NATURAL, *names):
        own = sorted(np.flatnonzero(samples.names == name), key=lambda place: samples.levels[place])
        places += [int(place) for place in (own[-1:] if only_highest else own)]
    return places


def _draw_example(axis: Axes, samples: Samples, data: str, place: int) -> dict[str, Any]:
    natural = samples.predicted[np.flatnonzero(samples.names == NATURAL)[0]]
    column = int((natural == samples.labels).argmax())
    label, predicted = (str(samples.classes[one]) for one in (samples.labels[column], samples.predicted[place, column]))
    name, level = str(samples.names[place]), float(samples.levels[place])
    image = samples.images[place, column].transpose(1, 2, 0)
    axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_title(condition_title(name, level), fontsize=8, pad=3)
    right: Any = {"color": "0.35"} if predicted == label else {"color": COLOURS[1], "weight": "bold"}
    axis.text(0.5, -0.06, predicted, transform=axis.transAxes, ha="center", va="top", fontsize=8, **right)
    return {"data": data, "test_perturbation": name, "test_level": level, "label": label, "predicted": predicted}
