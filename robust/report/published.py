"""How networks do on published test sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from robust.measure import CALIBRATION, SUITES
from robust.measure.intervals import normal, wilson
from robust.report.section import Section, Table
from robust.report.tables import calibration_columns, interval_column, percent, varying
from robust.runs import RunFolder
from robust.runs.titles import run_title

#: what no mean is over: what published work tunes on, and images as they are
UNSCORED = (*dict.fromkeys(name for name, _ in SUITES["corruptions_extra"]), "identity")
_RUN = ["run", "set"]
_ARRAYS = ["label", "predicted"]
_TEXT = (
    "Images of others: corruptions as they were published, other pictures of the same classes. Means over corruptions "
    "and severities; each is in the CSV."
)
_NOTE = (
    "Intervals over images (Wilson). Of a set with some of the data's classes, only these count as answers. "
    f"In no mean: {', '.join(UNSCORED)}."
)
_PAIRED = " Against natural: less the natural model, image by image, with its interval over images."
_RECREATED = " Recreated: made again with robust store, not comparable with published figures."


def published_section(folders: Sequence[Path]) -> Section:
    """What came of these runs there; nothing where none was tested so."""
    table = published_table(folders)
    return Section("") if table is None else Section("Published test sets", _TEXT, {}, {"published": table})


def published_table(folders: Sequence[Path]) -> Table | None:
    """A line for each run and set: mean accuracy over its tests; None where none was tested so."""
    found = [own for folder in folders if (own := RunFolder(folder).read_published()) is not None]
    if not found:
        return None
    rows = pd.concat(found, ignore_index=True)
    groups = [(key, _scored(group)) for key, group in rows.groupby(_RUN, sort=False)]
    lines = pd.DataFrame([_line(group) for _, group in groups])
    right = {key: one for key, group in groups if (one := _right(group)) is not None}
    against = [_against(line, right) for line in lines.to_dict("records")]
    shown = pd.DataFrame(
        {
            **{name: lines[name] for name in varying(lines)},
            "trained": lines.apply(run_title, axis=1),
            **({"seed": lines["seed"]} if lines["seed"].nunique() > 1 else {}),
            "set": lines["set"] + np.where(lines["recreated"], " (recreated)", ""),
            "tests": lines["tests"],
            "images": lines["n"],
            "classes": lines["classes"],
            "accuracy, %": lines["accuracy"].map(percent),
            **interval_column(lines),
            **calibration_columns(lines),
            **({"against natural, points": against} if any(against) else {}),
        }
    )
    note = _NOTE + _PAIRED * any(against) + _RECREATED * bool(lines["recreated"].any())
    return Table(shown, rows.drop(columns=_ARRAYS), note)


def _scored(group: pd.DataFrame) -> pd.DataFrame:
    """The tests of a set that its mean is over: those of all corruptions, where it has no others."""
    scored = group[~group["corruption"].isin(UNSCORED)]
    return scored if len(scored) else group


def _line(tests: pd.DataFrame) -> dict[str, Any]:
    """What a run comes to in a set's tests."""
    accuracy, n = tests["accuracy"].mean(), int(tests["n"].min())
    low, high = wilson(accuracy, n)
    means = {name: tests[name].mean() for name in CALIBRATION}
    own = {"tests": _tests(tests), "n": n, "accuracy": accuracy, "low": low, "high": high, **means}
    return {**tests.iloc[0].drop(_ARRAYS).to_dict(), **own}


def _tests(tests: pd.DataFrame) -> str:
    """Over which tests a mean is: `15 corruptions, severities 1 to 5`."""
    corruptions, severities = tests["corruption"].nunique(), sorted(set(tests["severity"]))
    if (tests["corruption"] == "").all():
        return ""
    named = f"{corruptions} corruptions" if corruptions > 1 else str(tests["corruption"].iloc[0])
    if severities == [0]:
        return named
    whole = severities == [*range(severities[0], severities[-1] + 1)]
    ends = f"{severities[0]} to {severities[-1]}" if whole else ", ".join(map(str, severities))
    several = f"severities {ends}" if len(severities) > 1 else f"severity {severities[0]}"
    part = "" if len(tests) == corruptions * len(severities) else f", {len(tests)} tests"
    return f"{named}, {several}{part}"


def _right(tests: pd.DataFrame) -> tuple[frozenset[str], np.ndarray] | None:
    """In which share of a set's tests each image was recognised, and the digests of their images; None where they are
    not the data's own."""
    if tests[_ARRAYS].isna().any(axis=None):
        return None
    each = [label == predicted for label, predicted in tests[_ARRAYS].itertuples(index=False, name=None)]
    return frozenset(tests["images"]), np.mean(each, axis=0)


def _against(line: dict[str, Any], right: dict[Any, tuple[frozenset[str], np.ndarray]]) -> str:
    """How far a run lies above the natural one that it is compared with, in the same tests."""
    mine, other = right.get((line["run"], line["set"])), right.get((line["reference"], line["set"]))
    if mine is None or other is None or mine[0] != other[0] or line["run"] == line["reference"]:
        return ""
    differences = mine[1] - other[1]
    low, high = normal(differences.mean(), differences.var() / len(differences))
    return f"{percent(differences.mean(), sign=True)} [{percent(low, sign=True)}, {percent(high, sign=True)}]"
