"""Names that somebody else chose, as text for each place where they are shown: none of them can do anything there."""

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SPACES = "\xa0\u3000\u200c\u200d"  # which scripts need, and which are not "printable"
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_MOST_LINES, _MOST_COLUMNS = 4, 120  # of a text in a figure
_BRACKETS = re.compile(r"[^\[\]]*(\[[^\[\]]*\](?![(\[:])[^\[\]]*)*")
_MARKED = re.compile(r"([\\`*~|])|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)
_BLOCK = re.compile(r"^(#{1,6}(?=\s|$)|[-+](?=\s|$)|\d{1,9}(?=[.)](\s|$))|[-=]+(?=\s*$))")


def plain(text: object) -> str:
    """One line in which every character shows: what breaks lines is a space, what steers a terminal, turns the
    direction of writing or is no character stands there as an escape, such as `\\x1b`."""
    line = str(text)
    if line.isprintable():
        return line
    line = re.sub(r"[\t\n\v\f\r\x85\u2028\u2029]+", " ", line)
    return "".join(one if one.isprintable() or one in _SPACES else _escaped(one) for one in line)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")


def markdown(text: object) -> str:
    """For Markdown, in a paragraph or a cell: shown as it is, no markup, tag, link or mention."""
    line = html.escape(plain(text), quote=False).replace("@", "&#64;")
    line = _MARKED.sub(lambda found: f"\\{found[0]}", line)
    if not _BRACKETS.fullmatch(line):
        line = re.sub(r"([\[\]])", r"\\\1", line)
    return _BLOCK.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", line)


def count(number: float, word: str) -> str:
    """So many of these, in words: 2 models."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def csv(table: "pd.DataFrame") -> str:
    """A table as CSV in which no cell is a formula to a spreadsheet: words that begin like one follow a `'`; numbers
    are numbers."""
    words = table.select_dtypes(include=["object", "string", "category"]).columns
    safe = table.copy()
    for name in words:
        safe[name] = [_cell(value) for value in table[name]]
    return safe.set_axis([_cell(name) for name in table], axis=1).to_csv(index=False)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = plain(value)
    return f"'{value}" if value.lstrip().startswith(_FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def figure(text: str) -> str:
    """For a figure, lines as they are: at most a few of them, none longer than fits."""
    lines = [_cut(plain(line)) for line in text.split("\n")]
    return "\n".join([*lines[:_MOST_LINES], "..."] if len(lines) > _MOST_LINES + 1 else lines)


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_COLUMNS else f"{line[: _MOST_COLUMNS - 1]}…"
