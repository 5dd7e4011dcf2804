"""How networks do under the common corruptions."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from robust.measure.corruption_error import CATEGORIES, corruption_accuracy, corruption_scores
from robust.measure.exposure import exposures_by_test
from robust.measure.intervals import student
from robust.measure.summary import seeds_line
from robust.report.exposure import legend, marked
from robust.report.section import Section, Table
from robust.report.tables import intervals_note, percent, summary_table, varying, with_interval
from robust.studies.corruptions.gains import GAINS, gains_of_runs

_KIND = ["title", "kind", "data", "model"]
_MEANS = ("natural", "corruptions", *CATEGORIES, "extra")
_MCE = {"mce": "mCE", "relative_mce": "relative mCE"}
_TEXT = (
    "Each of the corruptions of Hendrycks and Dietterich 2019 (arXiv 1903.12261) at severities 1 to 5: recreated from "
    "the published constants, not the published pictures."
)
_COMMON = " Corruptions: the mean over the 15 common ones{drawn}; noise, blur, weather and digital are its categories."
_EACH = "Accuracy in percent, over five severities."
_FROST = {"frost": "photographed", "frost_drawn": "drawn"}
_EXTRA = " Extra: the mean over the 4 others."
_GAINS = (
    "Points of accuracy over the natural run of the same seed, and its 95 % interval over seeds (Student). Natural: on "
    "natural images. Far: under those of the 15 that the training has nothing of, by its operations and their families."
)
_BESIDE = (
    "mCE: errors beside {whose}, a mean over the 15; relative mCE: of how far they rise above the errors on natural "
    "images. Below 100 % is better than it."
)


def corruptions_section(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """What came of these runs there; nothing where no corruption was tested at all five severities."""
    scores = corruption_scores(rows)
    if scores.empty:
        return Section("")
    each = corruption_accuracy(rows)
    summary = summary_table(rows, folders)
    runs = summary.drop_duplicates("run").set_index("run")
    runs = runs[runs.index.isin(scores.index)]
    lines = _lines(scores.drop(columns="baseline").join(each).reindex(runs.index), runs)
    first = {"trained": lines["title"], **{name: lines[name] for name in varying(lines)}}
    if (lines["seeds"] > 1).any():
        first["seeds"] = lines["seeds"]
    titles = {**{name: name for name in _MEANS}, **_MCE}
    means = {f"{title}, %": _cells(lines, name) for name, title in titles.items() if lines[name].notna().any()}
    if {*_FROST} <= {*each}:  # of both kinds, which is not the same test
        kinds = [[_FROST[name] for name in _FROST if pd.notna(line[name])] for _, line in lines.iterrows()]
        means["frost"] = [" and ".join(one) for one in kinds]
    exposures = exposures_by_test(summary, lines, _KIND)
    cells = {name: marked([percent(value) for value in lines[name]], exposures[name]) for name in each}
    said = f"{_EACH} {legend(exposures[[*each]])}".strip()
    note = " ".join(filter(None, [_beside(scores), intervals_note(lines["seeds"])]))
    tables = {
        "corruptions": Table(pd.DataFrame({**first, **means}), lines.drop(columns="kind"), note),
        "corruptions-each": Table(pd.DataFrame({**first, **cells}), lines[["title", *each]], said),
    }
    won = gains_of_runs(rows)
    if len(won):
        tables["corruptions-gains"] = _gains(_lines(won, runs))
    return Section("Common corruptions", _text(lines, each), {}, tables)


def _gains(lines: pd.DataFrame) -> Table:
    """What each kind of training wins over the natural one, the most under corruptions first."""
    lines = lines.sort_values("corruptions_won", ascending=False, kind="stable", ignore_index=True)
    cells = {
        name: [with_interval(line, f"{name}_won", sign=True) for _, line in lines.iterrows()]
        for name in GAINS
        if lines[f"{name}_won"].notna().any()
    }
    about = {"trained": lines["title"], **{name: lines[name] for name in varying(lines)}, "seeds": lines["seeds"]}
    return Table(pd.DataFrame({**about, **cells}), lines.drop(columns="kind"), _GAINS)


def _text(lines: pd.DataFrame, each: pd.DataFrame) -> str:
    """What was tested."""
    drawn = " (of frost drawn, not photographed)" if "frost_drawn" in each and "frost" not in each else ""
    common = _COMMON.format(drawn=drawn) if lines["corruptions"].notna().any() else ""
    return _TEXT + common + (_EXTRA if lines["extra"].notna().any() else "")


def _beside(scores: pd.DataFrame) -> str:
    """Whose errors mCE is beside; nothing where there is none."""
    baselines = {*scores["baseline"]} - {""}
    whose = "AlexNet's (published)" if baselines == {"AlexNet"} else "those of the natural model"
    return _BESIDE.format(whose=whose) if baselines else ""


def _lines(figures: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind of run: of each figure its mean over the seeds and its interval."""
    kinds = figures.groupby([runs[name].reindex(figures.index) for name in _KIND], sort=False, dropna=False)
    lines = kinds.apply(lambda mine: pd.Series({"seeds": len(mine), **_line(mine, figures)})).reset_index()
    return lines.astype({"seeds": int})


def _line(runs: pd.DataFrame, names: Collection[str]) -> dict[str, float]:
    line = seeds_line(runs, [name for name in names if name not in _MCE])
    for name in (one for one in _MCE if one in names):  # may be above 1
        line[name], low, line[f"{name}_high"] = student(runs[name])
        line[f"{name}_low"] = max(low, 0.0)
    return line


def _cells(lines: pd.DataFrame, name: str) -> list[str]:
    return [with_interval(line, name) for _, line in lines.iterrows()]
