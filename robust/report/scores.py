"""What every kind of run comes to: the report's first table."""

from dataclasses import dataclass

import pandas as pd

from robust.measure import NATURAL, SUITES, condition_title
from robust.measure.suites import comparable_suites
from robust.report.tables import percent, seeds_line, varying, with_interval
from robust.report.titles import short_models

_LINE = ["title", "kind", "data", "model"]
_FAMILIES_OF_CAMERA = ("pixel", "noise", "blur")
_UNTESTED = "not tested"
_MOST_MISSING = 3  # lines that a sentence names
_ENDS = ("", "_low", "_high", "_before")
_ARROWS = (
    "a → b: accuracy of the natural model → of this model, in the same trials. Worst condition: where the natural "
    "model is least accurate, among what this model was tested under. "
)


@dataclass(frozen=True)
class Scores:
    """A line for each kind of run, the suites that have a column there, and what is to be said of them."""

    lines: pd.DataFrame
    suites: tuple[str, ...]
    note: str


def score_table(summary: pd.DataFrame, rows: pd.DataFrame) -> Scores:
    """One line for each kind of run (`title`), over its `seeds`: accuracy on natural images, its mean over each suite
    of tests, and how it does in the `hardest` one. `summary` as `summary_table` makes it of these rows.

    A mean is over a suite (see `suite_scores`): it stands where all of it was measured, of every seed, in the trials
    that most runs of the data have; else it is NaN and `note` says what is missing. `<suite>_before` is the same of the
    natural runs that they are held against. Each has `_low` and `_high`, the 95 % interval over seeds (Student), NaN
    for one seed. The hardest condition is the one that the natural model (`before`) fails most under, or where that was
    not measured there, the one that the runs themselves fail most under; `won` is the difference. Suites have a column
    where some line has all of it; the families of `camera` have none where `camera` says it.
    """
    suites = comparable_suites(rows)
    means = suite_columns(suites)
    lines = _lines(summary, means)
    shown = shown_suites(lines)
    hidden = [f"{suite}{end}" for suite in SUITES if suite not in shown for end in _ENDS]
    lines = lines.drop(columns=hidden, errors="ignore")
    arrows = _ARROWS if lines["won"].notna().any() else ""
    return Scores(lines, shown, f"{arrows}{_note(suites, lines, summary, shown)}".strip())


def shown_scores(scores: Scores, *, intervals: bool = True) -> pd.DataFrame:
    """The lines as one reads them, in percent: `67.2 → 98.1` is the natural model's accuracy and this model's."""
    lines = scores.lines

    def cells(name: str) -> list[str]:
        found = [with_interval(line, name) if intervals else percent(line[name]) for _, line in lines.iterrows()]
        return _from_to(lines.get(f"{name}_before"), found)

    before = lines["before"].where(lines["won"].notna())
    return pd.DataFrame(
        {
            "trained": lines["title"],
            **{name: short_models(lines[name]) if name == "model" else lines[name] for name in varying(lines)},
            **({"seeds": lines["seeds"]} if (lines["seeds"] > 1).any() else {}),
            **{f"{name}, %": cells(name) for name in ("natural", *scores.suites)},
            "worst condition": lines["hardest"],
            "worst accuracy, %": _from_to(before, [percent(value) for value in lines["after"]]),
        }
    )


def _from_to(before: pd.Series | None, after: list[str]) -> list[str]:
    """How accuracy rose or fell; where it is not known from where, to what."""
    if before is None:
        return after
    return [one if pd.isna(start) else f"{percent(start)} → {one}" for start, one in zip(before, after, strict=True)]


def suite_columns(suites: pd.DataFrame) -> pd.DataFrame:
    """The means of `comparable_suites`: a row for each run, a column for each suite of which some test was made."""
    means = suites.pivot(index="run", columns="suite", values="mean").astype(float)
    return means[[suite for suite in SUITES if suite in means]]


def shown_suites(table: pd.DataFrame) -> tuple[str, ...]:
    """Which suites to show of a table with their means: those that some line has; of `camera` and its families `camera`
    where all that have one of these have all of it, else the families."""
    found = [suite for suite in SUITES if suite in table and table[suite].notna().any()]
    families = [suite for suite in _FAMILIES_OF_CAMERA if suite in found]
    in_families = table[families].notna().any(axis=1)
    if "camera" in found and table.loc[in_families, "camera"].notna().all():
        return tuple(suite for suite in found if suite not in families)
    return tuple(suite for suite in found if suite != "camera")


def _lines(summary: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind of run, in their order; `means` of each run and suite."""
    runs = summary.drop_duplicates("run").set_index("run")
    natural = summary[summary["test_perturbation"] == NATURAL].drop_duplicates("run").set_index("run")["mean"]
    kinds = runs.groupby(_LINE, sort=False, dropna=False)
    lines = kinds["technique"].agg(technique="first", seeds="size")
    trained = lines.pop("technique") != NATURAL
    before = means.reindex(runs["reference"]).set_axis(runs.index).add_suffix("_before")
    figures = means.reindex(runs.index).assign(natural=natural).join(before)
    of_kinds = figures.groupby([runs[name] for name in _LINE], sort=False, dropna=False)
    lines = lines.join(of_kinds.apply(lambda mine: pd.Series(seeds_line(mine, figures))))
    for name in means:
        lines[f"{name}_before"] = lines[f"{name}_before"].where(trained & lines[name].notna())
    lines = lines.join(_hardest(summary))
    lines["won"] = (lines["after"] - lines["before"]).where(trained)
    ordered = [f"{name}{end}" for name in ("natural", *means) for end in _ENDS[:3]]
    ordered += [f"{name}_before" for name in means]
    first, last = ["title", "data", "model", "seeds"], ["hardest", "after", "before", "won"]
    return lines.reset_index()[[*first, *ordered, *last]]


def _hardest(summary: pd.DataFrame) -> pd.DataFrame:
    """Of each kind of run the condition, of those that all of its runs were tested under, that the natural model fails
    most under: `hardest`, `after` and `before`."""
    grouped = summary.groupby([*_LINE, "test_perturbation", "test_level"], sort=False, dropna=False)
    tests = grouped[["mean", "before"]].mean()
    tests["before"] = tests["before"].where(grouped["before"].count() == grouped.size())
    runs = grouped.size()
    tests = tests[runs == runs.groupby(_LINE, dropna=False).transform("max")].reset_index()
    order = tests["before"].fillna(tests["mean"])
    least = tests.loc[order.groupby([tests[name] for name in _LINE], sort=False, dropna=False).idxmin()]
    titles = [condition_title(*test) for test in least[["test_perturbation", "test_level"]].itertuples(False, None)]
    least = least.assign(hardest=titles).rename(columns={"mean": "after"}).set_index(_LINE)
    return least[["hardest", "after", "before"]]


def _note(suites: pd.DataFrame, lines: pd.DataFrame, summary: pd.DataFrame, shown: tuple[str, ...]) -> str:
    """Over what the means are, and where they are missing and why; nothing where natural images alone were tested."""
    if (summary["test_perturbation"] == NATURAL).all():
        return ""
    if not shown:
        return (
            "No mean: it is over a suite of tests (evaluation=camera or environment), and of none were all made in the "
            "same trials."
        )
    titles = summary.drop_duplicates("run").set_index("run")["title"]
    said, untested = [], False
    for suite in shown:
        mine = suites[suites["suite"] == suite]
        tests = ", ".join(condition_title(*test) for test in SUITES[suite])
        trials = sorted(set(mine.loc[mine["mean"].notna(), "trials"]))
        said.append(f"{suite}: {tests}; {' or '.join(map(str, trials))} trial{'s' if trials != [1] else ''} each.")
        lacking = mine[mine["mean"].isna()]
        reasons = dict(zip(lacking["run"].map(titles), lacking["missing"], strict=True))
        why = {title: reasons.get(title, _UNTESTED) for title in lines.loc[lines[suite].isna(), "title"]}
        untested |= _UNTESTED in why.values()
        if named := [f"{title} ({reason})" for title, reason in why.items() if reason != _UNTESTED]:
            more = f", and {len(named) - _MOST_MISSING} more" if len(named) > _MOST_MISSING else ""
            said.append(f"Empty: {', '.join(named[:_MOST_MISSING])}{more}.")
    last = ["Other empty cells: not tested."] if untested else []
    return " ".join(["Mean accuracy over each suite of tests.", *said, *last])
