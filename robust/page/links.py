"""What a table's rows are called, so that a link leads to one."""

import hashlib
import re

import pandas as pd

_MOST = 80  # characters of a name


def row_names(table: str, shown: pd.DataFrame) -> list[str]:
    """A name for each row of a table, no two alike: the table's, and behind it what its first columns say, as many as
    tell the rows apart. What a row is called does not hang on where it stands."""
    cells = shown.astype(object).map(str)
    said = pd.Series([""] * len(cells), index=cells.index)
    for place in range(len(cells.columns)):
        column = cells.iloc[:, place]
        if not said.duplicated().any() and said.iloc[:1].any():
            break
        if place == 0 or column.nunique() > 1:
            said = said + " " + column
    names = [_name(table, text) for text in said]
    often: dict[str, int] = {}
    for place, name in enumerate(names):
        often[name] = often.get(name, 0) + 1
        if often[name] > 1:
            names[place] = f"{name}--{often[name]}"
    return names


def _name(table: str, text: str) -> str:
    """Letters, digits, dots and hyphens alone; what that leaves out, or cuts off, is told apart by a sum."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
    named = f"{table}--{plain[:_MOST]}"
    exact = re.fullmatch(r"[a-zA-Z0-9. _-]*", text) and len(plain) <= _MOST
    return named if exact else f"{named}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:6]}"
