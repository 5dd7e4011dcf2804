"""What every kind of run comes to: the report's first table."""

from dataclasses import dataclass

import pandas as pd

from robust.measure import NATURAL, SUITES, condition_title, suite_scores
from robust.report.tables import seeds_line

_LINE = ["title", "kind", "data", "model"]
_FAMILIES_OF_CAMERA = ("pixel", "noise", "blur")
_MOST_MISSING = 3  # lines that a sentence names


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
    lines = pd.DataFrame([_line(group, means) for _, group in summary.groupby(_LINE, sort=False)])
    shown = shown_suites(lines)
    hidden = [f"{suite}{end}" for suite in SUITES if suite not in shown for end in _ENDS]
    lines = lines.drop(columns=hidden, errors="ignore")
    return Scores(lines, shown, _note(suites, lines, summary, shown))


_ENDS = ("", "_low", "_high", "_before")


def comparable_suites(rows: pd.DataFrame) -> pd.DataFrame:
    """`suite_scores`, without the means over other trials or images than most runs of the same data have."""
    found = suite_scores(rows).merge(rows[["run", "data"]].drop_duplicates("run"), on="run")
    whole = found[found["mean"].notna()]
    usual = whole.groupby(["data", "suite", "tests"], as_index=False).agg(size=("run", "size"), most=("trials", "max"))
    usual = usual.sort_values(["size", "most", "tests"], ascending=False).drop_duplicates(["data", "suite"])
    found = found.merge(usual.rename(columns={"tests": "usual"})[["data", "suite", "usual", "most"]], how="left")
    others = found["mean"].notna() & (found["tests"] != found["usual"])
    found["mean"] = found["mean"].where(~others)
    other = [
        f"{trials} trials, other than the {most:.0f} of most"
        for trials, most in found.loc[others, ["trials", "most"]].itertuples(index=False, name=None)
    ]
    found.loc[others, "missing"] = other
    return found


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


def _line(group: pd.DataFrame, means: pd.DataFrame) -> dict[str, object]:
    """The line of one kind of run; `means` of each run and suite."""
    runs = group.drop_duplicates("run")
    first, trained = group.iloc[0], group["technique"].iloc[0] != NATURAL
    tests = group.groupby(["test_perturbation", "test_level"], sort=False)[["mean", "before"]].agg(["mean", "size"])
    tests = tests[tests["mean", "size"] == tests["mean", "size"].max()].xs("mean", axis=1, level=1)
    hardest = tests.loc[tests["before"].fillna(tests["mean"]).idxmin()]
    natural = group.loc[group["test_perturbation"] == NATURAL, ["run", "mean"]].set_index("run")["mean"]
    figures = pd.DataFrame({"natural": natural.reindex(runs["run"])})
    line = {name: first[name] for name in ("title", "data", "model")} | {"seeds": len(runs)}
    own, before = means.reindex(runs["run"]), means.reindex(runs["reference"])
    figures = figures.join(own)
    whole = figures.columns[figures.notna().all()]
    line |= {f"{name}{end}": float("nan") for name in figures for end in _ENDS[:3]} | seeds_line(figures, whole)
    for suite in means:
        known = trained and suite in whole
        line[f"{suite}_before"] = before[suite].mean(skipna=False) if known else float("nan")
    return {
        **line,
        "hardest": condition_title(*hardest.name),
        "after": hardest["mean"],
        "before": hardest["before"],
        "won": hardest["mean"] - hardest["before"] if trained else float("nan"),
    }


def _note(suites: pd.DataFrame, lines: pd.DataFrame, summary: pd.DataFrame, shown: tuple[str, ...]) -> str:
    """Over what the means are, and where they are missing and why; nothing where natural images alone were tested."""
    if (summary["test_perturbation"] == NATURAL).all():
        return ""
    if not shown:
        return (
            "No mean: it is over a suite of tests (evaluation=camera or world), and of none were all made in the same "
            "trials."
        )
    titles = summary.drop_duplicates("run").set_index("run")["title"]
    said = []
    for suite in shown:
        mine = suites[suites["suite"] == suite]
        tests = ", ".join(condition_title(*test) for test in SUITES[suite])
        trials = sorted(set(mine.loc[mine["mean"].notna(), "trials"]))
        said.append(f"{suite}: {tests}; {' or '.join(map(str, trials))} trial{'s' if trials != [1] else ''} each.")
        empty = lines.loc[lines[suite].isna(), "title"]
        if len(empty):
            lacking = mine[mine["mean"].isna()]
            reasons = dict(zip(lacking["run"].map(titles), lacking["missing"], strict=True))
            named = [f"{one} ({reasons.get(one, 'not tested')})" for one in empty[:_MOST_MISSING]]
            more = f", and {len(empty) - len(named)} more" if len(empty) > len(named) else ""
            said.append(f"Empty: {', '.join(named)}{more}.")
    return "Means are over suites of tests, each test as much as another. " + " ".join(said)
