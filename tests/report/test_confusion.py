import numpy as np
import pandas as pd
import pytest

from robust.measure import confusion_counts
from robust.measure.confusion import merged_pairs
from robust.report.confusion import confusion_figure, confusion_matrix
from robust.report.figures import draw

CLASSES = ["4", "9", "None"]


def write_run(folder, predictions, classes=CLASSES):
    """A run's confusion.csv as runs write it; `predictions`: condition (name, level) -> labels, predictions."""
    folder.mkdir()
    tests = [
        {"test_perturbation": name, "test_level": level, "label": np.array(true), "predicted": np.array(found)}
        for (name, level), (true, found) in predictions.items()
    ]
    confusion_counts(pd.DataFrame(tests), classes).to_csv(folder / "confusion.csv", index=False)
    return folder


@pytest.fixture
def folders(tmp_path):
    """Two seeds, ten images of each class; blur takes 4 for 9, and 9 for 4 a little less, 'None' stays."""
    true = [0] * 10 + [1] * 10 + [2] * 10
    natural = [1] + [0] * 9 + [1] * 10 + [2] * 10
    first = [1] * 5 + [0] * 5 + [0] * 3 + [1] * 7 + [2] * 10
    second = [1] * 7 + [0] * 3 + [0] * 1 + [1] * 9 + [2] * 10
    light = [1] * 3 + [0] * 7 + [1] * 10 + [2] * 10
    easy = {("natural", 0): (true, natural), ("blur", 0.5): (true, light)}
    return [
        write_run(tmp_path / name, easy | {("blur", 1): (true, hard)})
        for name, hard in (("seed0", first), ("seed1", second))
    ]


def test_seeds_are_summed_and_shares_are_of_the_true_class(folders):
    table = confusion_matrix(folders).set_index(["condition", "true", "predicted"])
    assert list(table.loc[("blur 1", "4", "9")]) == [12, pytest.approx(0.6)]
    assert list(table.loc[("blur 1", "9", "4")]) == [4, pytest.approx(0.2)]
    assert list(table.loc[("natural", "None", "None")]) == [20, 1.0]
    assert table.groupby(["condition", "true"])["share"].sum().tolist() == pytest.approx([1.0] * 9)


def test_conditions_and_classes_keep_their_order(tmp_path):
    classes = ["truck", "cat", "bird"]
    predictions = {("natural", 0): ([0, 1, 2], [2, 1, 2]), ("blur", 1): ([0, 1, 2], [1, 1, 0])}
    table = confusion_matrix([write_run(tmp_path / "run", predictions, classes)])
    assert list(table["condition"].unique()) == ["natural", "blur 1"]
    for _, group in table.groupby("condition"):
        assert list(group["true"].unique()) == classes


def test_the_pairs_whose_confusion_grew_most_come_first(folders):
    pairs = merged_pairs(confusion_matrix(folders))
    hard = pairs[pairs["condition"] == "blur 1"]
    assert list(zip(hard["true"], hard["predicted"], strict=True)) == [("4", "9"), ("9", "4")]
    assert hard.iloc[0][["natural", "perturbed", "gained"]].tolist() == pytest.approx([0.1, 0.6, 0.5])
    assert set(pairs["condition"]) == {"blur 0.5", "blur 1"}
    assert len(merged_pairs(confusion_matrix(folders), most=1)) == 2


def test_a_confusion_that_shrank_is_no_merged_pair(tmp_path):
    predictions = {("natural", 0): ([0, 1, 2], [1, 1, 2]), ("blur", 1): ([0, 1, 2], [0, 1, 1])}
    pairs = merged_pairs(confusion_matrix([write_run(tmp_path / "run", predictions)]))
    assert pairs[["true", "predicted"]].to_numpy().tolist() == [["None", "9"]]


def test_the_figure_shows_the_hardest_level_beside_its_change(folders):
    drawing = confusion_figure(confusion_matrix(folders), "constant hot 5")
    axes = {axis.get_title(): axis for axis in drawing.figure.axes if axis.get_title()}
    assert list(axes) == ["natural images", "blur 1", "blur 1: change"]
    assert [text.get_text() for text in axes["blur 1"].texts] == ["40", "60", "20", "80", "100"]
    assert [text.get_text() for text in axes["blur 1: change"].texts] == ["-50", "+50", "+20", "-20", "0"]
    assert [label.get_text() for label in axes["natural images"].get_yticklabels()] == CLASSES
    assert set(drawing.numbers["condition"]) == {"natural", "blur 1"}
    assert draw(drawing.figure, "svg").startswith(b"<?xml")


def test_the_diagonal_does_not_set_the_scale_and_no_change_is_in_the_middle(folders):
    drawing = confusion_figure(confusion_matrix(folders), "constant hot 5")
    images = {axis.get_title(): axis.images[0] for axis in drawing.figure.axes if axis.get_title()}
    assert images["blur 1"].norm.vmax == pytest.approx(60)
    assert (images["blur 1: change"].norm.vmin, images["blur 1: change"].norm.vmax) == pytest.approx((-50, 50))
    for image in images.values():
        assert image.get_array().mask.nonzero()[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("count", "shown", "numbers"), [(12, 12, True), (20, 20, False), (60, 50, False)])
def test_many_classes_are_drawn_without_numbers_and_at_most_fifty(tmp_path, count, shown, numbers):
    classes = [f"class {place}" for place in range(count)]
    true = np.repeat(np.arange(count), 2)
    found = true.copy()
    found[2 * (count - 1)] = 0  # the last class is half taken for the first
    predictions = {("natural", 0): (true, true), ("blur", 1): (true, found)}
    drawing = confusion_figure(confusion_matrix([write_run(tmp_path / "run", predictions, classes)]), "natural")
    axes = {axis.get_title(): axis for axis in drawing.figure.axes}
    labels = [label.get_text() for label in axes["natural images"].get_yticklabels()]
    assert (len(labels), bool(axes["blur 1"].texts)) == (shown, numbers)
    assert (labels[0], labels[-1]) == (classes[0], classes[-1])
    assert ("50 of 60 classes" in drawing.caption) == (count == 60)


def test_natural_images_alone_can_be_drawn(tmp_path):
    table = confusion_matrix([write_run(tmp_path / "run", {("natural", 0): ([0, 1, 2], [0, 1, 2])})])
    assert merged_pairs(table).empty
    assert draw(confusion_figure(table, "natural").figure, "svg")


def test_what_is_missing_is_said(tmp_path):
    assert confusion_matrix([tmp_path]).empty, "a run whose confusion was not kept"
    table = confusion_matrix([write_run(tmp_path / "run", {("blur", 1): ([0, 1, 2], [0, 1, 2])})])
    for use in (merged_pairs, lambda found: confusion_figure(found, "natural")):
        with pytest.raises(ValueError, match="must hold natural images"):
            use(table)
