"""Learning curves are on the page of runs that had validation images, and of no others."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from robust.report import draw, sections
from robust.report.figures import legend_below
from robust.runs import collect


def test_runs_with_validation_images_have_learning_curves(
    tmp_path: Path,
    rows_of: Callable[..., pd.DataFrame],
    suites_of: Callable[..., dict[tuple[str, float], float]],
    write: Callable[..., Path],
) -> None:
    folders = [
        write(tmp_path / name, rows_of(name, suites_of("noise"), technique=name, kind=name))
        for name in ("natural", "constant")
    ]
    metrics = pd.DataFrame({"epoch": [0, 1], "train_loss": [2.0, 1.0], "train_accuracy": [0.5, 0.7]})
    metrics.to_csv(folders[0] / "metrics.csv", index=False)
    assert "Learning curves" not in [one.title for one in sections(folders, collect(folders))]
    metrics.assign(val_accuracy=[0.4, "?"]).to_csv(folders[1] / "metrics.csv", index=False)
    (section,) = [one for one in sections(folders, collect(folders)) if one.title == "Learning curves"]
    numbers = section.drawings["learning"].numbers
    assert numbers["run"].unique().tolist() == ["constant"]
    assert numbers["val_accuracy"].iloc[0] == 0.4
    (axis,) = section.drawings["learning"].figure.axes
    assert [line.get_ydata()[0] for line in axis.lines] == [50, 40]


@pytest.mark.parametrize("label", ["perturbed validation images", "what a model was trained on, at length, " * 3])
def test_a_legend_lies_within_its_figure(label: str) -> None:
    figure = Figure(figsize=(3.4, 3), layout="constrained")
    axis = figure.subplots()
    for name in ("training images", "validation images", label):
        axis.plot([0, 1], label=name)
    legend_below(figure, columns=3)
    draw(figure, "png")
    (legend,) = figure.legends
    assert figure.bbox.x0 <= legend.get_window_extent().x0
    assert legend.get_window_extent().x1 <= figure.bbox.x1
