"""What a claim's `figure` asks for, read from its text; the head of claims.yaml says how it is written."""

import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from robust.errors import check
from robust.measure import NATURAL

_ACCURACY = re.compile(r"(natural|same|(\w+) (\w+) ([\d.]+)) on (natural|same|(\w+) ([\d.]+))")


class Setting(NamedTuple):
    """A kind of model under a condition."""

    technique: str
    trained: str
    train_level: float
    test: str
    test_level: float


class Quantity(NamedTuple):
    """The accuracy in a setting; or by how much it is over another's; or, `apart`, how far it is from the other's."""

    setting: Setting
    minus: Setting | None = None
    apart: bool = False

    @property
    def settings(self) -> list[Setting]:
        """One or two."""
        return [self.setting] if self.minus is None else [self.setting, self.minus]


#: the natural model on natural images, the accuracy that most claims are held against
REFERENCE = Setting(NATURAL, "none", 0.0, NATURAL, 0.0)


def read_figure(figure: str | Sequence[str]) -> list[list[Quantity]]:
    """The quantities of a figure in groups: a group for each choice from the braces, in it one for each choice from the
    brackets. Raises ValueError for a text that is no figure."""
    texts = [figure] if isinstance(figure, str) else figure
    groups = chain.from_iterable(_choices(text, r"{([^}]*)}") for text in texts)
    return [[_quantity(one) for one in _choices(group, r"\[([^]]*)\]")] for group in groups]


def _choices(text: str, bracketed: str) -> list[str]:
    """The text with one choice from each of its brackets, in all combinations; the last bracket varies first."""
    found = re.search(bracketed, text)
    if not found:
        return [text]
    first, _, last = found[1].partition("..")
    choices = map(str, range(int(first), int(last) + 1)) if last else map(str.strip, found[1].split(","))
    before, after = text[: found.start()], text[found.end() :]
    return [one for choice in choices for one in _choices(f"{before}{choice}{after}", bracketed)]


def _quantity(text: str) -> Quantity:
    apart = re.fullmatch(r"apart\((.*), (.*)\)", text)
    first, second = apart.groups() if apart else text.partition(" - ")[::2]
    setting = _setting(first, REFERENCE)
    return Quantity(setting, _setting(second, setting) if second else None, bool(apart))


def _setting(text: str, same: Setting) -> Setting:
    """The setting of an accuracy; `same` is the one that it may refer to."""
    found = _ACCURACY.fullmatch(text)
    check("figure", text, "MODEL on TEST, such as `constant stuck 2 on hot 2`", found is not None)
    assert found
    model, technique, trained, train_level, test, tested, level = found.groups()
    known = {"natural": REFERENCE, "same": same}
    kind = known[model][:3] if model in known else (technique, trained, float(train_level))
    if test in known:
        return Setting(*kind, *known[test][3:])
    return Setting(*kind, kind[1] if tested == "own" else tested, float(level))
