"""Tolerated levels as a section of the page."""

from collections.abc import Iterable

import pandas as pd

from robust.measure import unit_of
from robust.measure.suites import LESS_IS_WORSE
from robust.report.section import Section, Table
from robust.report.tables import percent, varying

_TEXT = (
    "Of each perturbation the level at which accuracy crosses the target: the most that a network tolerates, of {less} "
    "the least. A curve is fitted over all levels (probit, of the level's logarithm); 95 % intervals are for other "
    "images and, of several runs, other seeds."
)
_NOTE = (
    "≥, ≤: the target was not crossed at the levels tested. Misfit: by how much the curve is off where it is most, in "
    "points. Ratio: to the natural model's level, paired over the images; none where one of both is a bound."
)


def tolerance_section(levels: pd.DataFrame) -> Section:
    """What networks tolerate; nothing where no perturbation was tested at enough levels."""
    if levels.empty:
        return Section("")
    return Section("Tolerated levels", _text(levels), {}, {"tolerance": Table(shown_levels(levels), levels, _NOTE)})


def shown_levels(levels: pd.DataFrame) -> pd.DataFrame:
    """The lines as one reads them."""
    ratios = [_ratio(line) for line in levels.to_dict("records")]
    return pd.DataFrame(
        {
            "perturbation": [_with_unit(name) for name in levels["perturbation"]],
            "trained": levels["title"],
            **{name: levels[name] for name in varying(levels)},
            **({"seeds": levels["seeds"]} if (levels["seeds"] > 1).any() else {}),
            "target, %": levels["target"].map(percent),
            "tolerated level": [_level(line) for line in levels.to_dict("records")],
            **({"ratio": ratios} if any(ratios) else {}),
            "misfit": levels["misfit"].map(percent),
        }
    )


def _text(levels: pd.DataFrame) -> str:
    """What was measured, and the largest ratio of each perturbation that is surely one."""
    compared = levels[levels["ratio"].notna()]
    said = []
    for name, lines in compared.groupby("perturbation", sort=False):
        less = str(name).partition("@")[0] in LESS_IS_WORSE
        best = lines.loc[lines["ratio"].idxmin() if less else lines["ratio"].idxmax()]
        if less and best["ratio_high"] < 1:
            said.append(f"{best['title']} needs {_ratio(best)} times the level of {name} that the natural model does.")
        if not less and best["ratio_low"] > 1:
            said.append(
                f"{best['title']} tolerates {_ratio(best)} times the level of {name} that the natural model does."
            )
    return " ".join([_TEXT.format(less=" and ".join(LESS_IS_WORSE)), *said])


def _with_unit(name: str) -> str:
    unit = unit_of(name)
    return f"{name}, {unit}" if unit else name


def _level(line: dict[str, float]) -> str:
    """Such as "3210 [2900, 3560]"; "≥ 51200" where it lies beyond the levels tested."""
    if line["low"] >= line["most"] * (1 - 1e-9):
        return f"≥ {_plain(line['most'])}"
    if line["high"] <= line["least"] * (1 + 1e-9):
        return f"≤ {_plain(line['least'])}"
    return f"{_plain(line['level'])} [{_plain(line['low'])}, {_plain(line['high'])}]"


def _plain(level: float) -> str:
    """Three digits of a level."""
    return f"{float(f'{level:.3g}'):g}"


def _ratio(line: dict[str, float] | pd.Series) -> str:
    ends: Iterable[float] = (line["ratio"], line["ratio_low"], line["ratio_high"])
    middle, low, high = (f"{one:.2f}" for one in ends)
    return "" if pd.isna(line["ratio"]) else f"{middle} [{low}, {high}]"
