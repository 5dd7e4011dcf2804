"""Names in figures: letters, never formulas, and no longer than fits."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text

from robust.report import lettering
from robust.report.figures import accuracy_figure, draw, heat_map

NAMES = ["$x^2$", "$\\frac{", "_hidden", "x" * 400, "a\nb\n" * 30, "\x1b[31m\x00", "<&>", "%s{}", "中文"]


def drawn(*titles: str, test: str = "noise") -> Figure:
    about = {"technique": "constant", "test_perturbation": test, "mean": 0.5, "low": 0.4, "high": 0.6}
    lines = [about | {"title": title, "test_level": level} for title in titles for level in (1.0, 2.0)]
    return accuracy_figure(pd.DataFrame(lines)).figure


def test_every_name_can_be_drawn_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    for function in (lettering._fonts_of, lettering._say_missing):
        function.cache_clear()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, logger="robust"):
        warnings.simplefilter("error")
        figure = drawn(*NAMES, test="$\\frac{" + "x" * 400)
        shown = draw(figure, "svg").decode()
        assert draw(figure, "png").startswith(b"\x89PNG")
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert max(len(line) for text in texts for line in text.split("\n")) <= 120
    assert {"$x^2$", "_hidden", "中文"} <= {text.strip() for text in texts}
    assert ">&lt;&amp;&gt;<" in shown
    assert "\x1b" not in shown
    assert len(caplog.messages) <= 1, "what no font has is said once"


def test_letters_are_drawn_in_a_font_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = [type("Font", (), {"fname": name, "name": name, "style": "normal"}) for name in ("Latin", "Han", "Both")]
    has = {"Latin": "abc", "Han": "中文", "Both": "中a"}
    monkeypatch.setattr(lettering.font_manager.fontManager, "ttflist", fonts)
    monkeypatch.setattr(lettering.font_manager, "findfont", lambda _: "usual")
    monkeypatch.setattr(lettering, "_has", lambda path: frozenset(has.get(path, "xyz")))
    lettering._fonts_of.cache_clear()
    assert lettering._fonts_of(frozenset("中文")) == ("Both", "Han")
    assert lettering._fonts_of(frozenset("xy")) == ()
    lettering._fonts_of.cache_clear()


def test_names_along_a_side_are_letters_and_short() -> None:
    figure = Figure()
    axis = figure.subplots()
    names = ["$x^2$", "x" * 400, "\x1b[31mred"]
    heat_map(axis, np.eye(3), names, names, colours="Blues", scale=Normalize(0, 1))
    assert "$x^2$" in draw(figure, "svg").decode()
    shown = [label.get_text() for label in axis.get_yticklabels()]
    assert shown == ["$x^2$", "x" * 17 + "…", "\\x1b[31mred"]
