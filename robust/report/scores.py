"""What every kind of run comes to: the report's first table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL, SUITES, condition_title
from robust.measure.exposure import exposed_mean, exposure_columns, knows_exposure
from robust.measure.suites import comparable_suites, suite_text
from robust.measure.summary import seeds_lines
from robust.report.costs import costs
from robust.report.exposure import legend, marked
from robust.report.tables import amount, ended_note, intervals_note, percent, varying, with_half, with_interval
from robust.runs import prices
from robust.runs.settings import kept_epoch
from robust.runs.titles import given_beside, kind_folders, only_measured, short_models

_LINE = ["title", "kind", "data", "model"]
_KIND = ["title", "data", "model"]
_TEST = ["test_perturbation", "test_level"]
_FAMILIES_OF_CAMERA = ("pixel", "noise", "blur")
_UNTESTED = "not tested"
_MOST_NAMED = 3  # lines that a sentence names
_ENDS = ("", "_low", "_high", "_before")
_ARROWS = "a → b: accuracy of the natural model → of this model, in the same trials."
_WORST = "Worst condition: where {} is least accurate, of all that this model was tested under; worst accuracy: there."
_PRICE = ["price.seconds", "price.joules"]
_COST = "Seconds, joules ({}): of one run, with its tests; status.json says more."
_WHOSE = {True: "the natural model (or, without one, this model)", False: "this model"}


@dataclass(frozen=True)
class Scores:
    """A line for each kind of run, the suites and the other conditions that have a column there, what the command of
    each line set and not of all, and what is to be said of them."""

    lines: pd.DataFrame
    suites: tuple[str, ...]
    conditions: tuple[str, ...]
    settings: list[str]
    note: str


def score_table(
    summary: pd.DataFrame, rows: pd.DataFrame, folders: Sequence[Path] = (), *, exposure: str = ""
) -> Scores:
    """One line for each kind of run (`title`), over its `seeds`: accuracy on natural images, its mean over each suite
    of tests, and how it does in the `hardest` one. `summary` as `summary_table` makes it of these rows. `folders` say
    what commands set.

    A mean is over a suite (see `suite_scores`): it stands where all of it was measured, of every seed, in the trials
    that most runs of the data have; else it is NaN and `note` says what is missing. `<suite>_before` is the same of the
    natural runs that they are held against. Each has `_low` and `_high`, the 95 % interval over seeds (Student), NaN
    for one seed. The hardest condition is the one that the natural model (`before`) fails most under, or where that was
    not measured there, the one that the runs themselves fail most under; `won` is the difference. Suites have a column
    where some line has all of it; the families of `camera` have none where `camera` says it. So has a condition that
    some run was trained on, by its title, where no suite that is shown has such (of a perturbation of one's own, say).
    Where rows say what was seen in training, `<column>_exposure` does in words. With an `exposure` one mean stands for
    the suites: `all <exposure>`, over every condition of that.
    """
    suites = comparable_suites(rows)
    means, own = suite_columns(suites), pd.concat([_trained_conditions(summary), *exposed_mean(summary, exposure)])
    under_own = own.groupby(["run", "condition"])[["mean", "before"]].first()
    means = means.join(under_own["mean"].unstack(), how="outer")
    runs = summary.drop_duplicates("run").set_index("run", drop=False)
    before = means.reindex(runs["reference"]).set_axis(runs.index)
    for condition, known in under_own["before"].groupby("condition"):  # in the same trials
        before[condition] = known.droplevel("condition")
    lines = _lines(summary, means, before)
    kinds = kind_folders(folders, runs)
    each, of_costs = costs({folder.name: folder for folder in folders if folder.name in runs.index}, kinds.values())
    if len(each):
        lines = lines.join(runs[_KIND].join(each, how="inner").groupby(_KIND).mean(), on=_KIND)
    shown = () if exposure else shown_suites(lines)
    said = {name for suite in shown for name, _ in SUITES[suite]}
    conditions = tuple(own.loc[~own["test_perturbation"].isin(said), "condition"].unique())
    hidden = {*SUITES, *own["condition"]} - {*shown, *conditions}
    lines = lines.drop(columns=[f"{name}{end}" for name in hidden for end in _ENDS], errors="ignore")
    if knows_exposure(summary):
        lines = lines.join(exposure_columns(summary, own, [*shown, *conditions], by=_KIND), on=_KIND)
    if len(cost := prices(folders)):
        lines = lines.join(runs.join(cost)[[*_KIND, *_PRICE]].groupby(_KIND)[_PRICE].mean(), on=_KIND)
    shared, settings = given_beside(runs.set_index("kind")["title"].to_dict(), kinds)
    compared = bool(lines["won"].notna().any())
    note = [
        f"Set{' for all' if len(lines) > 1 else ''}: {' '.join(shared)}." if shared else "",
        *(f"Kept: the weights after {kept}." for folder in folders if len(runs) == 1 and (kept := kept_epoch(folder))),
        _ARROWS if compared else "",
        "" if (lines["hardest"] == NATURAL).all() else _WORST.format(_WHOSE[compared]),
        _note(suites, lines, summary, shown) if shown or not conditions else "",
        ended_note(summary),
        _COST.format(" or ".join(cost["price.joules_by"].dropna().unique())) if len(cost) else "",
        legend(lines.filter(like="_exposure")),
        _untested(summary),
        _baselines(summary),
        of_costs,
        intervals_note(lines["seeds"]),
    ]
    beside = [settings[kind] for kind in runs.drop_duplicates(_LINE)["kind"]]
    return Scores(lines, shown, conditions, beside, " ".join(filter(None, note)))


def shown_scores(scores: Scores, *, intervals: bool = True) -> pd.DataFrame:
    """The lines as one reads them, in percent: `67.2 → 98.1` is the natural model's accuracy and this model's. Means
    over seeds have their interval, or with `intervals` false half its width (±)."""
    lines, cell = scores.lines, with_interval if intervals else with_half
    records = lines.to_dict("records")

    def cells(name: str) -> list[str]:
        found = [cell(line, name) for line in records]
        found = marked(found, lines.get(f"{name}_exposure", [""] * len(lines)))
        return _from_to(lines.get(f"{name}_before"), found)

    shown = pd.DataFrame(
        {
            "trained": lines["title"],
            **({"settings": scores.settings} if any(scores.settings) else {}),
            **_about(lines),
            **({"seeds": lines["seeds"]} if (lines["seeds"] > 1).any() else {}),
            **{f"{name}, %": cells(name) for name in ("natural", *scores.suites, *scores.conditions)},
        }
    )
    for name, title in (("ms", "ms an image"), ("mib", "MiB an image")):
        if name in lines:
            shown[title] = [f"{one:.2g}" if pd.notna(one) else "" for one in lines[name]]
    cost = {one.partition(".")[2]: lines[one].map(amount) for one in _PRICE if one in lines}
    if (lines["hardest"] == NATURAL).all():  # nothing else was tested
        return shown.assign(**cost)
    before = lines["before"].where(lines["won"].notna())
    worst = marked(lines["hardest"], lines.get("hardest_exposure", [""] * len(lines)))
    after = _from_to(before, [percent(value) for value in lines["after"]])
    return shown.assign(**{"worst condition": worst, "worst accuracy, %": after}, **cost)


def _about(lines: pd.DataFrame) -> dict[str, pd.Series]:
    """The data and the network, where lines differ in them; not the network where each title says it."""
    found = {name: short_models(lines[name]) if name == "model" else lines[name] for name in varying(lines)}
    if "model" in found and all(model in title for model, title in zip(found["model"], lines["title"], strict=True)):
        del found["model"]
    return found


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


def _trained_conditions(summary: pd.DataFrame) -> pd.DataFrame:
    """The lines of the summary under a condition that some run was trained on, with its title, `condition`."""
    trained = {*zip(summary["train_perturbation"], summary["train_level"].astype(float), strict=True)}
    tests = [*zip(summary["test_perturbation"], summary["test_level"].astype(float), strict=True)]
    found = summary[[test in trained and test[0] != NATURAL for test in tests]]
    return found.assign(condition=[condition_title(*test) for test in found[_TEST].itertuples(False, None)])


def _lines(summary: pd.DataFrame, means: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind of run, in their order; `means` of each run and suite, and of its natural run, `before`."""
    runs = summary.drop_duplicates("run")
    runs = runs.assign(compared=(runs["technique"] != NATURAL) & ~only_measured(runs)).set_index("run")
    natural = summary[summary["test_perturbation"] == NATURAL].drop_duplicates("run").set_index("run")["mean"]
    kinds = runs.groupby(_LINE, sort=False, dropna=False)
    lines = kinds["compared"].agg(compared="any", seeds="size")
    compared = lines.pop("compared")
    figures = means.reindex(runs.index).assign(natural=natural).join(before.add_suffix("_before"))
    lines = lines.join(seeds_lines(figures, [runs[name] for name in _LINE]))
    for name in means:
        lines[f"{name}_before"] = lines[f"{name}_before"].where(compared & lines[name].notna())
    lines = lines.join(_hardest(summary))
    lines["won"] = (lines["after"] - lines["before"]).where(compared)
    ordered = [f"{name}{end}" for name in ("natural", *means) for end in _ENDS[:3]]
    ordered += [f"{name}_before" for name in means]
    first, last = ["title", "data", "model", "seeds"], ["hardest", "hardest_exposure", "after", "before", "won"]
    return lines.reset_index()[[*first, *ordered, *(name for name in last if name in lines)]]


def _hardest(summary: pd.DataFrame) -> pd.DataFrame:
    """Of each kind of run the condition, of those that all of its runs were tested under, that the natural model fails
    most under: `hardest`, `after` and `before`."""
    grouped = summary.groupby([*_LINE, "test_perturbation", "test_level"], sort=False, dropna=False)
    tests = grouped[["mean", "before"]].mean()
    tests["exposure"] = grouped["exposure"].first() if knows_exposure(summary) else ""
    tests["before"] = tests["before"].where(grouped["before"].count() == grouped.size())
    runs = grouped.size()
    tests = tests[runs == runs.groupby(_LINE, dropna=False).transform("max")].reset_index()
    order = tests["before"].fillna(tests["mean"])
    by = [tests[name] for name in _LINE]
    kinds = order.groupby(by, sort=False, dropna=False)
    least, ties = (
        tests.loc[kinds.idxmin()],
        (order == kinds.transform("min")).groupby(by, dropna=False).transform("sum"),
    )
    titles = [
        condition_title(*test) + (f" (tie of {tied})" if tied > 1 else "")
        for test, tied in zip(least[_TEST].itertuples(False, None), ties[least.index], strict=True)
    ]
    least = least.assign(hardest=titles).rename(columns={"mean": "after", "exposure": "hardest_exposure"})
    said = ["hardest_exposure"] if knows_exposure(summary) else []
    return least.set_index(_LINE)[["hardest", *said, "after", "before"]]


def _note(suites: pd.DataFrame, lines: pd.DataFrame, summary: pd.DataFrame, shown: tuple[str, ...]) -> str:
    """Over what the means are, and where they are missing, why, and what fills them; nothing where natural images alone
    were tested."""
    if (summary["test_perturbation"] == NATURAL).all():
        return ""
    if not shown:
        return (
            "No mean: it is over a whole suite of tests in the same trials, and none was made. The same command with "
            "evaluation=camera, environment, corruptions or all makes one."
        )
    titles = summary.drop_duplicates("run").set_index("run")["title"]
    said, untested = [], False
    for suite in shown:
        mine = suites[suites["suite"] == suite]
        trials = sorted(set(mine.loc[mine["mean"].notna(), "trials"]))
        said.append(
            f"{suite}: {suite_text(suite)}; {' or '.join(map(str, trials))} trial{'s' if trials != [1] else ''} each."
        )
        lacking = mine[mine["mean"].isna()]
        reasons = dict(zip(lacking["run"].map(titles), lacking["missing"], strict=True))
        why = {title: reasons.get(title, _UNTESTED) for title in lines.loc[lines[suite].isna(), "title"]}
        untested |= _UNTESTED in why.values()
        if named := [f"{title} ({reason})" for title, reason in why.items() if reason != _UNTESTED]:
            said.append(f"Empty: {_named(named)}.")
    cells = "Other empty" if any(one.startswith("Empty") for one in said) else "Empty"
    last = [f"{cells} cells: not tested{_cure(shown)}."] * untested
    return " ".join(["Mean accuracy over each suite of tests.", *said, *last])


def _cure(suites: Sequence[str]) -> str:
    """Which evaluation tests a model under all of these suites, where there is one."""
    evaluations = {"camera": ("camera", *_FAMILIES_OF_CAMERA), "all": ("camera", *_FAMILIES_OF_CAMERA, "environment")}
    whole = next((name for name, tests in evaluations.items() if {*suites} <= {*tests}), None)
    return f"; evaluation={whole} tests every model under all of these" if whole else ""


def _untested(summary: pd.DataFrame) -> str:
    """Which kinds were not tested under the perturbation of one's own that they were trained on, and what does it."""
    known = {"none", *SUITES, *(name for tests in SUITES.values() for name, _ in tests)}
    own = summary[~summary["train_perturbation"].isin(known)]
    tested = (own["test_perturbation"] == own["train_perturbation"]).groupby(own["run"]).transform("any")
    own = own[~tested].drop_duplicates("title")
    return " ".join(
        f"{one.title} was not tested under what it was trained on: add "
        f"evaluation.conditions.{one.train_perturbation}=[{one.train_level:g}]."
        for one in own.head(_MOST_NAMED).itertuples()
    )


def _baselines(summary: pd.DataFrame) -> str:
    """Which natural run each kind is compared with, where there are several of the same data and model."""
    runs = summary.drop_duplicates("run").set_index("run")
    natural = runs["technique"] == NATURAL
    if natural.all() or not (runs[natural].groupby(["data", "model"])["kind"].nunique() > 1).any():
        return ""
    against = runs["reference"].map(runs["title"])[~natural].astype(object).fillna("one that is not here")
    said = [f"{name} for {_named([*mine.unique()])}" for name, mine in runs["title"].groupby(against, sort=False)]
    return f"Natural model (trained with the same settings, or what the model starts from): {'; '.join(said)}."


def _named(names: Sequence[str]) -> str:
    """The first of these names, and how many there are more."""
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
