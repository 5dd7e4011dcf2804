"""The range of conditions that a network is meant for, what it tolerates, and whether the one covers the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from robust.errors import check, suggest
from robust.evidence.subject import Subject
from robust.measure import unit_of
from robust.measure.suites import LESS_IS_WORSE, UNITS
from robust.perturb.corruptions import CORRUPTIONS
from robust.report import Section
from robust.report.section import Table
from robust.report.tables import percent
from robust.tolerated import tolerated_levels

YES, NO, UNKNOWN = "yes", "no", "not known"
_NEAR = 1e-9  # of an end of the levels tested
_FEWEST = 4  # levels of a curve
_RANGES = (
    "Intended: how far the user of this sheet says that each perturbation goes in use; this is a statement, and no "
    "measurement. Covered: yes, where the whole interval of the tolerated level lies beyond it and no level tested "
    "within it is below the target; no, where the whole interval lies short of it; else not known."
)
_LEVELS = (
    "The level at which accuracy crosses the target, from a probit curve over the logarithm of the level, with its 95 "
    "% interval for other images{seeds}. ≥, ≤: the target was not crossed at the levels tested. Misfit: by how many "
    "points the curve is off where it is most. {less} are harder the lower they are: there it is the least that is "
    "tolerated."
)


def tolerated(subject: Subject, target: float | None) -> pd.DataFrame:
    """The tolerated levels of the runs (see `tolerated_levels`)."""
    return tolerated_levels(subject.folders, subject.rows, target=target)


def check_ranges(subject: Subject, stated: Mapping[str, float]) -> dict[str, float]:
    """The stated ranges by the names under which the perturbations were tested: of a camera's, which have its name
    behind them, it may be left out. Raises ParameterError for an unknown perturbation, and a level that is not above
    0."""
    tested = list(subject.perturbed["test_perturbation"].unique())
    found = {}
    for name, level in stated.items():
        known = dict.fromkeys([*tested, *UNITS, *CORRUPTIONS])
        near = suggest(name, known).strip() or f"Tested were {', '.join(tested) or 'none'}."
        check("--range", name, "NAME=LEVEL of a perturbation", name.partition("@")[0] in known or name in known, near)
        check("--range", f"{name}={level:g}", "NAME=LEVEL with a level above 0", 0 < level < float("inf"))
        same = [one for one in tested if one.partition("@")[0] == name]
        found[same[0] if name not in tested and len(same) == 1 else name] = level
    return found


def range_sections(
    subject: Subject, levels: pd.DataFrame, stated: Mapping[str, float], target: float | None
) -> list[Section]:
    """What was tested and, where it was stated, whether it is covered; and the tolerated levels."""
    tested = _tested(subject)
    tables = {"tested": Table(tested, tested)}
    said = "No intended range was stated, so none is compared with what was tested."
    if stated:
        said, table = _RANGES, pd.DataFrame([coverage(subject, levels, *one) for one in stated.items()])
        tables = {"intended": Table(table, table), **tables}
    known = "Accuracy is known at the levels that stand here; between them a tolerated level is read from a curve."
    if tested.empty:
        known, tables = "No perturbation was tested.", {}
    text = f"{said}\n\n{known}"
    return [
        Section("Intended range of conditions, and what was tested", text, {}, tables),
        _levels(subject, levels, target),
    ]


def coverage(subject: Subject, levels: pd.DataFrame, name: str, intended: float) -> dict[str, str]:
    """A stated range, and whether the tolerated level covers it."""
    less = name.partition("@")[0] in LESS_IS_WORSE
    own = subject.perturbed[subject.perturbed["test_perturbation"] == name]
    known = levels[levels["perturbation"] == name]
    line = known.iloc[0].to_dict() if len(known) else None
    covered, why = _covered(own, line, intended, less=less)
    return {
        "perturbation": name,
        "intended": f"{'from' if less else 'up to'} {intended:g}",
        "tested": _few(own["test_level"]) if len(own) else "not tested",
        "tolerated": level_text(line) if line else "",
        "covered": covered,
        "because": why,
    }


def _covered(tested: pd.DataFrame, line: Mapping[str, Any] | None, intended: float, *, less: bool) -> tuple[str, str]:
    """Whether a range is covered, and why."""
    if tested.empty:
        return UNKNOWN, "it was not tested"
    if line is None:
        return UNKNOWN, f"no tolerated level: it needs {_FEWEST} levels, predictions, and levels that are a quantity"
    sign = -1 if less else 1  # so that more is harder
    end = line["least"] if less else line["most"]
    surely, at_best = (line["high"], line["low"]) if less else (line["low"], line["high"])
    open_ended = abs(at_best / end - 1) < _NEAR  # accuracy may hold beyond all levels
    at_once = abs(surely / (line["most"] if less else line["least"]) - 1) < _NEAR  # or be lost before the first
    if sign * at_best < sign * intended and not open_ended:
        return NO, "the tolerated level lies short of it"
    if sign * intended > sign * end * (1 + sign * _NEAR):
        return UNKNOWN, "it goes beyond the levels tested"
    if sign * surely < sign * intended or at_once:
        return UNKNOWN, "it lies within the interval of the tolerated level"
    within = tested[sign * tested["test_level"] <= sign * intended * (1 + sign * _NEAR)]
    if (within["high"] < line["target"]).any():
        return UNKNOWN, "a level tested within it is below the target, against the curve"
    return YES, "the whole interval of the tolerated level lies beyond it"


def _levels(subject: Subject, levels: pd.DataFrame, target: float | None) -> Section:
    title = "Tolerated levels"
    if levels.empty:
        needed = f"at {_FEWEST} levels or more, of a kind that is a quantity, with its predictions kept"
        return Section(title, f"None is known: no perturbation was tested {needed}.")
    shown = pd.DataFrame(
        {
            "perturbation": levels["perturbation"],
            "unit": levels["perturbation"].map(unit_of),
            "levels": levels["levels"],
            "from": levels["least"].map("{:g}".format),
            "to": levels["most"].map("{:g}".format),
            "target, %": levels["target"].map(percent),
            "tolerated": [level_text(line) for line in levels.to_dict("records")],
            "misfit": levels["misfit"].map(percent),
        }
    )
    said = (
        f"Target: an accuracy of {percent(target)} %, as stated."
        if target is not None
        else "Target: nine tenths of the accuracy on natural images. Another may be stated."
    )
    seeds = " and other trainings" if subject.seeds > 1 else ""
    note = _LEVELS.format(seeds=seeds, less=" and ".join(LESS_IS_WORSE))
    return Section(title, said, {}, {"tolerated": Table(shown, levels, note)})


def level_text(line: Mapping[str, Any]) -> str:
    """Such as "3210 [2900, 3560]"; "≥ 51200" where it lies beyond the levels tested."""
    if line["low"] >= line["most"] * (1 - _NEAR):
        return f"≥ {line['most']:g}"
    if line["high"] <= line["least"] * (1 + _NEAR):
        return f"≤ {line['least']:g}"
    return f"{line['level']:.3g} [{line['low']:.3g}, {line['high']:.3g}]"


def _tested(subject: Subject) -> pd.DataFrame:
    """A line for each perturbation: its levels, trials and images."""
    lines = [
        {
            "perturbation": name,
            "unit": unit_of(str(name)),
            "levels": _few(mine["test_level"]),
            "trials": "-".join(dict.fromkeys(map(str, sorted({mine["trials"].min(), mine["trials"].max()})))),
            "images": mine["n"].iloc[0],
            "seeds": mine["seeds"].min(),
        }
        for name, mine in subject.perturbed.groupby("test_perturbation", sort=False)
    ]
    return pd.DataFrame(lines)


def _few(levels: Sequence[float] | pd.Series) -> str:
    return ", ".join(f"{level:g}" for level in sorted(levels))
