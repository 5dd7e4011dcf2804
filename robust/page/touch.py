"""Figures that answer: what is under the pointer, and lines that can be hidden.

A figure of lines stands in the page as SVG. Over each of its points lies a mark, which cannot be seen, with a title: of
which line, where, how much, and the ends of its interval. A browser shows titles by itself; the page's script shows
them sooner, to the keyboard and to fingers too. Elements of one line share `data-series`.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, Container, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from robust.values.text import plain

_POINTS = 72  # of an inch
_MOST = 4000  # marks of a figure; more are not for a pointer
_RADIUS = 6  # of a mark, in points
_HEAD = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SERIES = re.compile(r'<g id="series(\d+)\.\d+">')
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(url\(#|href="#)([^)"]+)')


@dataclass(frozen=True)
class Mark:
    """What a figure has at a place: the middle and the size of that, from the figure's upper left corner as shares of
    its width and height; no size for a point. `series`: the place of its line in the legend, None without one."""

    x: float
    y: float
    text: str
    series: int | None = None
    width: float = 0.0
    height: float = 0.0
    is_key: bool = False


def name_series(figure: Figure) -> list[str]:
    """The labels of the figure's lines, each once; from now on its drawing as SVG says which elements are whose (see
    `inlined`)."""
    labels = list(dict.fromkeys(label for axis in figure.axes for _, label in _labelled(axis)))
    number = itertools.count()  # no two elements of a drawing have the same name
    for artist, label in (one for axis in figure.axes for one in _labelled(axis)):
        for part in artist.get_children() if isinstance(artist, Container) else [artist]:
            part.set_gid(f"series{labels.index(label)}.{next(number)}")
    return labels


def marks(figure: Figure, labels: Sequence[str]) -> list[Mark]:
    """What there is to touch in a figure that was drawn: the points of its lines, the cells of its matrices, and last
    the entries of its legends; nothing where that is too much."""
    dpi = figure.dpi
    figure.set_dpi(_POINTS)  # as SVG was laid out
    found = [mark for axis in figure.axes if axis.get_visible() for mark in _of_axis(figure, axis, labels)]
    found = [mark for mark in found if 0 <= mark.x <= 1 and 0 <= mark.y <= 1]
    keys = [*_keys(figure, labels)] if len(labels) > 1 else []
    figure.set_dpi(dpi)
    return [*(found if len(found) <= _MOST else []), *keys]


def inlined(svg: str, name: str) -> str:
    """A drawing of matplotlib's, to stand in a page: without a head and a style of its own, ids that are used led by
    the figure's name, `data-series` for the elements of a line."""
    bare = _HEAD.sub("", svg)
    used = {target for tag in _TAG.findall(bare) for _, target in _USED.findall(tag)}

    def rewritten(found: re.Match[str]) -> str:  # a tag; what names say in a text stays
        tag = _SERIES.sub(r'<g data-series="\1">', found[0])
        tag = _ID.sub(lambda own: f' id="{name}-{own[1]}"' if own[1] in used else "", tag)
        tag = tag.replace('style="fill: #ffffff"', 'style="fill: none"')  # the page's own ground, light or dark
        return _USED.sub(lambda use: f"{use[1]}{name}-{use[2]}", tag)

    return re.sub(r"\n\s*", "\n", _TAG.sub(rewritten, bare)).strip()


def _labelled(axis: Axes) -> Iterator[tuple[Any, str]]:
    """What has a name in the legend, and that."""
    for artist, label in zip(*axis.get_legend_handles_labels(), strict=True):
        yield artist, " ".join(plain(label).split())


def _of_axis(figure: Figure, axis: Axes, labels: Sequence[str]) -> Iterator[Mark]:
    across, up = _names(axis, "x"), _names(axis, "y")
    to_share = axis.transData + figure.transFigure.inverted()
    for artist, label in _labelled(axis):
        for x, y, interval in _points(artist):
            place = to_share.transform((x, y))
            where = f"{_axis_name(axis.get_xlabel())} {across.get(x) or _number(x)}"
            text = f"{_said(label, axis.get_title())}; {where.strip()}: {up.get(y) or _number(y)}{interval}"
            yield Mark(place[0], 1 - place[1], text, labels.index(label))
    for image in axis.images:
        values = np.ma.getdata(array) if (array := image.get_array()) is not None else np.empty(0)
        if values.ndim != 2 or not across or not up:
            continue
        of_rows, of_columns = (_axis_name(_first(figure, name)) for name in ("get_ylabel", "get_xlabel"))
        side = np.abs(to_share.transform((1, 1)) - to_share.transform((0, 0)))
        for row, column in np.argwhere(np.isfinite(values)):
            place = to_share.transform((column, row))
            names = f"{of_rows} {up.get(row, row)}", f"{of_columns} {across.get(column, column)}"
            text = f"{_said(axis.get_title(), *names)}: {_number(values[row, column])}"
            yield replace(Mark(place[0], 1 - place[1], text), width=side[0], height=side[1])


def _points(artist: Any) -> Iterator[tuple[float, float, str]]:
    """The points of what is drawn, each with its interval in words, where it has one."""
    intervals: list[str] = []
    if isinstance(artist, ErrorbarContainer):
        line, _, bars = artist.lines
        if artist.has_yerr and bars:
            ends = [np.reshape(segment, (-1, 2))[:, 1] for segment in bars[-1].get_segments()]
            intervals = [
                f" [{_number(min(of))}, {_number(max(of))}]" if np.ptp(of or [0]) else "" for of in map(list, ends)
            ]
        artist = line
    if isinstance(artist, Line2D):
        own = artist.axes is not None and artist.get_transform() == artist.axes.transData
        points = np.asarray(artist.get_xydata(), dtype=float) if own else np.empty((0, 2))  # none of a line across all
    elif isinstance(artist, PathCollection):
        points = np.ma.getdata(artist.get_offsets())
    elif isinstance(artist, BarContainer):
        points = np.array([(one.get_x() + one.get_width() / 2, one.get_height()) for one in artist.patches])
    else:
        return
    for place, (x, y) in enumerate(points):
        if np.isfinite((x, y)).all():
            yield float(x), float(y), intervals[place] if len(intervals) == len(points) else ""


def _keys(figure: Figure, labels: Sequence[str]) -> Iterator[Mark]:
    """The entries of all legends, where they can be pressed."""
    legends = [*figure.legends, *filter(None, (axis.get_legend() for axis in figure.axes))]
    size = np.array([figure.bbox.width, figure.bbox.height])
    for text in (text for legend in legends for text in legend.get_texts()):
        label = " ".join(text.get_text().split())
        if label not in labels:
            continue
        box, font = text.get_window_extent(), text.get_fontsize()
        handle = (matplotlib.rcParams["legend.handlelength"] + matplotlib.rcParams["legend.handletextpad"]) * font
        (left, low), (right, high) = (box.x0 - handle, box.y0 - 2), (box.x1 + 2, box.y1 + 2)
        x, y = np.array([left + right, low + high]) / 2 / size
        width, height = np.array([right - left, high - low]) / size
        yield Mark(x, 1 - y, label, labels.index(label), width, height, is_key=True)


def _names(axis: Axes, side: str) -> dict[float, str]:
    """What stands at the ticks of a side that has names instead of numbers."""
    of_side = getattr(axis, f"{side}axis")
    if not isinstance(of_side.get_major_locator(), FixedLocator):
        return {}
    places = of_side.get_majorticklocs()
    names = of_side.get_major_formatter().format_ticks(places)
    return {float(place): plain(name) for place, name in zip(places, names, strict=True) if name}


def _first(figure: Figure, name: str) -> str:
    """What the first panel of a figure says there that says anything: panels in a row are labelled once."""
    return next(filter(None, (getattr(axis, name)() for axis in figure.axes if axis.images)), "")


def _axis_name(label: str) -> str:
    return " ".join(label.partition("(")[0].split())


def _said(*parts: str) -> str:
    return ", ".join(" ".join(plain(part).split()) for part in parts if part)


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "\u2212")
