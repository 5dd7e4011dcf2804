"""Published claims: what a study's `claims.yaml` says, held against what was measured.

Each entry of the file says, in percent and points unless its text says otherwise:

- `id`, `section` of the publication (`ours`: a limit of this project's) and `claim`, a sentence; `{words}` in the
  first and the last are filled in by what the claim is held against;
- `figure`: what is measured, as the study understands it;
- `published`, `comparison` (see `Comparison`) and, where it is not 0, `tolerance`;
- `digits` of the figures that are compared (2), and `where`: words that must be as it says for the claim to be made.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import pandas as pd
from omegaconf import OmegaConf

from robust.errors import check

Comparison = Literal["equal", "at least", "above", "surely above", "at most", "below"]
#: a named claim rests on at least so many
FEWEST_SEEDS = 3
COLUMNS = [
    *("id", "claim", "published", "tolerance", "measured", "low", "high", "met", "reason"),
    *("data", "section", "seeds"),
]
_KEYS = {"id", "section", "claim", "figure", "published", "comparison", "tolerance", "digits", "where"}


class Figure(NamedTuple):
    """What was measured for a claim, with its 95 % interval, and of how many seeds. `reason`: why the claim does not
    hold, where more is to be said than the numbers."""

    mean: float
    low: float
    high: float
    seeds: int
    reason: Callable[[Mapping[str, Any]], str] | None = None


@dataclass(frozen=True)
class Subject:
    """What claims are held against: the data set, the words that it is called by, and `figure`, which measures what a
    claim's entry of that name asks for, None where these runs do not say."""

    data: str
    figure: Callable[[Any], Figure | None]
    words: Mapping[str, Any] = field(default_factory=dict)


@functools.cache
def read_claims(package: str) -> Sequence[Mapping[str, Any]]:
    """The claims of a study, by the name of its package. Raises ValueError for a key that there is not."""
    claims: Any = OmegaConf.to_container(OmegaConf.create((files(package) / "claims.yaml").read_text()))
    for one in claims:
        unknown = ", ".join(sorted(one.keys() - _KEYS))
        check(f"{one.get('id')}.{unknown}", unknown, f"among {', '.join(sorted(_KEYS))}", not unknown)
    return claims


def decide(claims: Iterable[Mapping[str, Any]], subjects: Iterable[Subject]) -> pd.DataFrame:
    """A line of `COLUMNS` for each claim that can be decided, of one subject after the other."""
    claims = list(claims)
    lines = [line for one in subjects for claim in claims if (line := _line(claim, one)) is not None]
    return pd.DataFrame(lines, columns=COLUMNS)


def _line(claim: Mapping[str, Any], subject: Subject) -> dict[str, object] | None:
    words = {**subject.words, "data": subject.data}
    if any(words.get(name) != value for name, value in claim.get("where", {}).items()):
        return None
    if (found := subject.figure(claim["figure"])) is None:
        return None
    published, tolerance, digits = claim["published"], claim.get("tolerance", 0), claim.get("digits", 2)
    # Decided by the figures that are written, so that a reader comes to the same answer.
    measured, low, high = (round(float(value), digits) + 0.0 for value in found[:3])
    line = {
        "id": claim["id"].format(**words),
        "claim": claim["claim"].format(**words),
        "published": published,
        "tolerance": tolerance,
        "measured": measured,
        "low": low,
        "high": high,
        "met": "yes",
        "reason": "",
        "data": subject.data,
        "section": claim["section"],
        "seeds": found.seeds,
    }
    if reaches(claim["comparison"], published, tolerance, low, high):
        return line
    bound = f"{claim['comparison'].replace('equal', 'about')} {published:g}{f' ± {tolerance:g}' if tolerance else ''}"
    reason = found.reason or (lambda _: f"{measured:g} [{low:g}, {high:g}] is not {bound}")
    return {**line, "met": "no", "reason": reason(line)}


def claims_summary(table: pd.DataFrame) -> str:
    """How many of these claims hold, and how many rest on too few seeds to say much."""
    few = (table["seeds"] < FEWEST_SEEDS).sum()
    rest = f" {few} of them rest{'s' if few == 1 else ''} on fewer than {FEWEST_SEEDS} seeds." if few else ""
    return f"{(table['met'] == 'yes').sum()} of {len(table)} claims hold.{rest}"


def reaches(comparison: Comparison, published: float, tolerance: float, low: float, high: float) -> bool:
    """Whether the interval reaches what was published, give or take the tolerance; of what is to be surely above it,
    whether all of the interval is."""
    if comparison == "equal":
        return low <= round(published + tolerance, 2) and high >= round(published - tolerance, 2)
    return {
        "at least": high >= published,
        "above": high > published,
        "surely above": low > published,
        "at most": low <= published,
        "below": low < published,
    }[comparison]
