"""Tolerated levels as a section of the page, and in the terminal."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from robust.measure import unit_of
from robust.measure.suites import LESS_IS_WORSE
from robust.report.section import Section, Table
from robust.report.tables import percent, varying
from robust.report.terminal import print_table
from robust.tolerated.images import Images

_TEXT = (
    "Of each perturbation the level at which accuracy crosses the target: the most that a network tolerates, of {less} "
    "the least. A curve is fitted over all levels (probit, of the level's logarithm); 95 % intervals are for other "
    "images and, of several runs, other seeds."
)
_BOUNDS = "≥, ≤: the target was not crossed at the levels tested. "
_NOTE = (
    "Misfit: by how much the curve is off where it is most, in points. Ratio: to the level of {beside}, paired over "
    "the images; none where one of both is a bound."
)
_MEDIAN = (
    " Median image: the level by which half of the images have fallen: their prediction was wrong at that level, or a "
    "lower one."
)
_FROM_TO = (
    "The level at which accuracy crosses the target, on the first side → on the second; the target of both is nine "
    "tenths of the first side's accuracy on natural images. ≥, ≤: not crossed at the levels tested. Ratio: of the "
    "second level to the first, paired over images and seeds; of {less} a smaller one is better. Tolerates: "
    "named where the interval excludes 1."
)
_DETECTOR = (
    " AUROC, FPR95: of confidence, as what tells pictures within the tolerated level, natural ones too, from those "
    "beyond it; FPR95 is the share of those beyond that is let through where 95 % of those within are."
)
_DETECTION = {"auroc": "AUROC, %", "fpr95": "FPR95, %"}
_LESS = " and ".join(LESS_IS_WORSE)


def tolerance_section(levels: pd.DataFrame, images: Images | None = None) -> Section:
    """What networks tolerate, and when each image falls; nothing where no perturbation was tested at enough levels."""
    if levels.empty:
        return Section("")
    text = " ".join([_TEXT.format(less=_LESS), *said(levels, sure=True)])
    tables = {"tolerance": Table(shown_levels(levels), levels, _note(levels))}
    images = images or Images({}, {})
    order = ("tables", "figures")
    return Section("Tolerated levels", text, images.drawings, tables | images.tables, order=order)


def print_tolerated(levels: pd.DataFrame) -> None:
    """The same table in the terminal."""
    print_table(shown_levels(levels), "tolerated levels", _note(levels))


def from_to(levels: pd.DataFrame) -> Table | None:
    """What the second side of a comparison tolerates beside the first (see `levels_between`, and a `title`); nothing
    where there is no line."""
    if levels.empty:
        return None
    lines = levels.to_dict("records")
    shown = pd.DataFrame(
        {
            **({"runs": levels["title"].tolist()} if levels["title"].nunique() > 1 else {}),
            "perturbation": [_with_unit(line["perturbation"]) for line in lines],
            "target, %": [percent(line["target"]) for line in lines],
            "tolerated level": [f"{_level(line, 'before')} → {_level(line)}" for line in lines],
            "ratio": [_ratio(line) for line in lines],
            "tolerates": [_tolerates(line) for line in lines],
        }
    )
    return Table(shown, levels, _FROM_TO.format(less=_LESS))


def _tolerates(line: dict[str, Any]) -> str:
    more, less = line["ratio_low"] > 1, line["ratio_high"] < 1
    if _less_is_worse(line["perturbation"]):
        more, less = less, more
    return "more" if more else "less" if less else ""


def _less_is_worse(name: str) -> bool:
    return name.partition("@")[0] in LESS_IS_WORSE


def _note(levels: pd.DataFrame) -> str:
    beside = levels["beside"].dropna().unique()
    named = beside[0] if len(beside) == 1 and beside[0] != "natural" else "the natural model"
    median = bool(levels["median"].notna().any())
    bounds = any(_bound(line, name) for line in levels.to_dict("records") for name in ("level", "median"))
    return _BOUNDS * bounds + _NOTE.format(beside=named) + _MEDIAN * median + _DETECTOR * _detects(levels)


def _detects(levels: pd.DataFrame) -> bool:
    return bool(levels["auroc"].notna().any())


def shown_levels(levels: pd.DataFrame) -> pd.DataFrame:
    """The lines as one reads them."""
    ratios = [_ratio(line) for line in levels.to_dict("records")]
    medians = [_level(line, "median") for line in levels.to_dict("records")]
    return pd.DataFrame(
        {
            "perturbation": [_with_unit(name) for name in levels["perturbation"]],
            "trained": levels["title"],
            **{name: levels[name] for name in varying(levels)},
            **({"seeds": levels["seeds"]} if (levels["seeds"] > 1).any() else {}),
            "target, %": levels["target"].map(percent),
            "tolerated level": [_level(line) for line in levels.to_dict("records")],
            **({"median image": medians} if any(medians) else {}),
            **({"ratio": ratios} if any(ratios) else {}),
            "misfit": levels["misfit"].map(percent),
            **({title: levels[name].map(percent) for name, title in _DETECTION.items()} if _detects(levels) else {}),
        }
    )


def said(levels: pd.DataFrame, *, sure: bool = False) -> list[str]:
    """In a sentence each, where accuracy never crosses the target, and the ratio of each line that has one; with
    `sure`, of each perturbation the best alone, if it is surely better."""
    found = []
    for name, lines in levels.groupby("perturbation", sort=False):
        unit, less = unit_of(str(name)), _less_is_worse(str(name))
        if all(_bound(line) == ("≤" if less else "≥") for line in lines.to_dict("records")):
            end = _plain(lines["least"].min() if less else lines["most"].max())
            choice = str(name).partition("@")[0]
            found.append(
                f"Under {name} accuracy stays above the target {'down' if less else 'up'} to {end}, the hardest level "
                f"tested. Test harder ones: evaluation.conditions.{choice}=[...]."
            )
        compared = lines[lines["ratio"].notna()]
        if sure and len(compared):
            compared = compared.loc[[compared["ratio"].idxmin() if less else compared["ratio"].idxmax()]]
            compared = compared[compared["ratio_high"] < 1 if less else compared["ratio_low"] > 1]
        what = f"{unit} of {name}" if len(unit.split()) == 1 else f"level of {name}"
        for line in compared.to_dict("records"):
            other = "the natural model" if line["beside"] == "natural" else line["beside"]
            verb = "needs" if less else "tolerates"
            found.append(f"{line['title']} {verb} {_ratio(line)} times the {what} that {other} does.")
    return found


def _with_unit(name: str) -> str:
    unit = unit_of(name)
    return f"{name}, {unit}" if unit else name


def _level(line: dict[str, Any], name: str = "level") -> str:
    """Such as "3210 [2900, 3560]"; "≥ 51200" where it lies beyond the levels tested; nothing where it is not known."""
    if pd.isna(line[name]):
        return ""
    if bound := _bound(line, name):
        return f"{bound} {_plain(line['most'] if bound == '≥' else line['least'])}"
    low, high = ("low", "high") if name == "level" else (f"{name}_low", f"{name}_high")
    return f"{_plain(line[name])} [{_plain(line[low])}, {_plain(line[high])}]"


def _bound(line: dict[str, Any], name: str = "level") -> str:
    """Whether it lies beyond the greatest level, ≥, the least, ≤, or within: nothing."""
    low, high = ("low", "high") if name == "level" else (f"{name}_low", f"{name}_high")
    if line[low] >= line["most"] * (1 - 1e-9):
        return "≥"
    return "≤" if line[high] <= line["least"] * (1 + 1e-9) else ""


def _plain(level: float) -> str:
    """Three digits of a level."""
    return f"{float(f'{level:.3g}'):g}"


def _ratio(line: dict[str, Any]) -> str:
    ends: Iterable[float] = (line["ratio"], line["ratio_low"], line["ratio_high"])
    middle, low, high = (f"{one:.2f}" for one in ends)
    return "" if pd.isna(line["ratio"]) else f"{middle} [{low}, {high}]"
