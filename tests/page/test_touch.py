"""What figures and rows of a page are called, and what lies under the pointer."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from robust.page.links import row_names
from robust.page.touch import inlined, marks, name_series
from robust.report.figures import STYLE, draw, heat_map, legend_below


def lines_figure() -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axis in (left, right):
            axis.errorbar([0, 1], [10, 20], yerr=[[1, 2], [3, 4]], label="first")
            axis.plot([0, 1], [5, np.nan], label="a long name " * 5)
            axis.set(title="panel", xlabel="level (of 1)")
            axis.axhline(7, label="first")
        legend_below(figure, columns=2)
    return figure


def test_points_have_their_values_and_intervals_and_legends_their_lines() -> None:
    figure = lines_figure()
    labels = name_series(figure)
    draw(figure, "svg")
    found = marks(figure, labels)
    texts = [mark.text for mark in found if not mark.is_key]
    assert texts.count("first, panel; level 1: 20 [18, 24]") == 2
    assert len(texts) == 2 * (2 + 1)
    assert [mark.series for mark in found if mark.is_key] == [0, 1]
    assert all(0 <= mark.x <= 1 and 0 <= mark.y <= 1 for mark in found)


def test_a_drawing_stands_in_a_page_beside_others() -> None:
    figure = lines_figure()
    name_series(figure)
    text = inlined(draw(figure, "svg").decode(), "one")
    assert text.startswith("<svg")
    assert not re.search("<style|<metadata|<!|<[?]", text)
    ids, used = set(re.findall(r' id="([^"]+)"', text)), set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    assert ids == used != set()
    assert all(name.startswith("one-") for name in ids)
    assert set(re.findall(r'data-series="(\d+)"', text)) == {"0", "1"}


def test_what_a_name_says_is_not_taken_for_the_drawings_own() -> None:
    figure = Figure()
    figure.subplots().set_title('a id="b" <style>x</style> url(#c) -->')
    assert 'a id="b" &lt;style&gt;x&lt;/style&gt; url(#c) --&gt;' in inlined(draw(figure, "svg").decode(), "one")


def test_cells_of_a_matrix_say_row_column_and_value() -> None:
    figure = Figure()
    axis = figure.subplots()
    heat_map(
        axis, np.array([[1, np.nan], [3, 4.5]]), ["cat", "dog"], ["cat", "dog"], colours="gray", scale=Normalize(0, 5)
    )
    axis.set(ylabel="true class", xlabel="taken for", title="noise")
    draw(figure, "png")
    cells = {mark.text: mark for mark in marks(figure, [])}
    assert set(cells) == {
        f"noise, true class {a}, taken for {b}" for a, b in (("cat", "cat: 1"), ("dog", "cat: 3"), ("dog", "dog: 4.5"))
    }
    low, high = cells["noise, true class dog, taken for cat: 3"], cells["noise, true class dog, taken for dog: 4.5"]
    assert high.x - low.x == pytest.approx(low.width)
    assert high.y == pytest.approx(low.y)


def test_a_row_keeps_its_name_where_its_numbers_and_its_place_change() -> None:
    table = pd.DataFrame(
        {"trained": ["a", "a", "b"], "data": "digits", "tested on": ["x 1", "x 0.5", "x 1"], "accuracy": [1, 2, 3]}
    )
    names = row_names("conditions", table)
    assert names == ["conditions--a-x-1", "conditions--a-x-0.5", "conditions--b-x-1"]
    assert row_names("conditions", table.assign(accuracy=0)[::-1]) == names[::-1]


def test_no_two_rows_have_the_same_name() -> None:
    odd = ["", "a b", "a-b", "A B", "ä", "ö", "x" * 200, "x" * 201, "a b", "<b>", '"', " "]
    names = row_names("t", pd.DataFrame({"name": odd, "value": 1.0}))
    assert len(set(names)) == len(odd)
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)
