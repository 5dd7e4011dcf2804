"""The lettering of figures: names that somebody else chose, as text that can be drawn."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from robust.values.text import figure as as_text

_log = logging.getLogger(__name__)
_USUAL = "DejaVu Sans"  # which matplotlib brings along
_LATIN = 0x2FF  # the last character that every font has
_BOXES = "Last Resort"  # a font that has a box for each character
_TICK = 18  # characters of a name along a side


def legend_label(title: str) -> str:
    """A title for a legend, which leaves out what begins with an underscore."""
    return f" {title}" if title.startswith("_") else title


def tick_text(names: Sequence[str]) -> dict[str, Any]:
    """Names along a side, as `set_xticks` takes them."""
    texts = [as_text(name).replace("\n", " ") for name in names]
    labels = [text if len(text) <= _TICK else f"{text[: _TICK - 1]}…" for text in texts]
    return {"labels": labels, "fontfamily": _fonts("".join(labels)), "parse_math": False}


@contextlib.contextmanager
def legible(figure: Figure) -> Iterator[None]:
    """While the figure is drawn: its texts are text and no formulas, none longer than fits, in fonts that have their
    characters. Where none is installed that has, the log says so, once."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(as_text(text.get_text()))
        text.set_parse_math(False)
        if len(fonts := _fonts(text.get_text())) > 1:
            text.set_fontfamily(fonts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message=".*layout not applied.*")  # names leave too little room
        yield


def _fonts(characters: str) -> list[str]:
    """The usual font, and those that these characters need besides."""
    rare = frozenset(one for one in characters if ord(one) > _LATIN and not one.isspace())
    return [_USUAL, *_fonts_of(rare)]


@functools.cache
def _fonts_of(characters: frozenset[str]) -> tuple[str, ...]:
    """The fonts that have these characters, where the usual one has not."""
    missing, fonts = characters - _has(font_manager.findfont(_USUAL)), []
    for font in sorted(font_manager.fontManager.ttflist, key=lambda one: (one.style != "normal", one.name)):
        if missing and not font.name.startswith(_BOXES) and (found := missing & _has(font.fname)):
            missing -= found
            fonts.append(font.name)
    if missing:
        _say_missing()
    return tuple(fonts)


@functools.cache
def _has(path: str) -> frozenset[str]:
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@functools.cache
def _say_missing() -> None:
    """Says it once."""
    _log.warning(
        "Some names are in letters that no installed font has; figures show boxes. Install Noto Sans CJK, say."
    )
