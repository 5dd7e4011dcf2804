"""Whether a network has seen in training what it is tested under, or something of the same family."""

from collections.abc import Mapping, Sequence

import pandas as pd

from robust.errors import check
from robust.measure.conditions import NATURAL, Condition
from robust.measure.suites import SUITES
from robust.perturb import operations

SEEN, FAMILY, FAR, UNKNOWN = "seen", "family", "far", "unknown"
#: what the exposure may be of a test
EXPOSURES = (SEEN, FAMILY, FAR, UNKNOWN)
_TEST = ["test_perturbation", "test_level"]
_TRIAL = [*_TEST, "trial", "evaluation_seed"]
_DIGITS = 6  # of a level


def exposure_of(tested: Mapping[str, str], trained_on: Mapping[str, str]) -> str:
    """What a network knows of a test, from the operations that the test is made of and those that went into the
    training, each with its family (see `robust.perturb.made_of`).

    SEEN where all of the test's operations did, FAMILY where one of them did or one of their families, else FAR; or
    UNKNOWN where `trained_on` has UNKNOWN among its operations, as of weights that others trained. How strong they were
    is not looked at. Of nothing, natural images, "".
    """
    if not tested:
        return ""
    if tested.keys() <= trained_on.keys():
        return SEEN
    if set(tested.values()) & set(trained_on.values()):
        return FAMILY
    return UNKNOWN if UNKNOWN in trained_on else FAR


def with_exposure(rows: pd.DataFrame, conditions: Sequence[Condition], trained_on: Mapping[str, str]) -> pd.DataFrame:
    """The rows of tests under these conditions, each with its `exposure`; "" for natural images."""
    made_of = {one.name: one.perturbation.made_of for one in conditions if one.perturbation is not None}
    known = {name: exposure_of(parts, trained_on) for name, parts in made_of.items()}
    return rows.assign(exposure=[known.get(name, "") for name in rows["test_perturbation"]])


def published_exposure(corruptions: pd.Series, trained_on: Mapping[str, str]) -> pd.Series:
    """The same of the corruptions of published test sets, by their names; "" where there is none."""
    return corruptions.map(lambda name: exposure_of(operations(name), trained_on) if name else "")


def only_exposed(rows: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """The rows of natural images and those whose exposure is the wanted one; of the natural run that one of these is
    held against the same tests too; with "" all rows. Raises ValueError for another exposure, and where no row has
    it."""
    if not wanted:
        return rows
    check("exposure", wanted, f"one of {', '.join(EXPOSURES)}", wanted in EXPOSURES)
    said = rows.get("exposure", pd.Series("", rows.index))
    known = [exposure for exposure in EXPOSURES if (said == exposure).any()]
    check("exposure", wanted, f"what tests of these runs are: {', '.join(known) or 'none says'}", wanted in known)
    asked = pd.MultiIndex.from_frame(rows.loc[said == wanted, ["reference", *_TRIAL]])
    beside = pd.MultiIndex.from_frame(rows[["run", *_TRIAL]]).isin(asked)
    return rows[(said == wanted) | beside | (rows["test_perturbation"] == NATURAL)].reset_index(drop=True)


def knows_exposure(table: pd.DataFrame) -> bool:
    """Whether a table of rows, or of what they come to, says for any test what its exposure is."""
    return "exposure" in table and bool(table["exposure"].isin(EXPOSURES).any())


def exposed_mean(summary: pd.DataFrame, wanted: str) -> list[pd.DataFrame]:
    """Of each run of a summary its `mean`, and its natural run's, `before`, over all conditions of the wanted exposure:
    a table with a line for each, as of a `condition` called "all far", whose `exposure` says of how many; no table for
    no exposure."""
    if not wanted:
        return []
    tests = summary[summary["exposure"] == wanted]
    lines = tests.drop_duplicates("run").set_index("run", drop=False)
    by_run = tests.groupby("run")
    for name in ("mean", "before"):
        lines[name] = by_run[name].agg(lambda one: one.mean(skipna=False))
    words = by_run.size().map(lambda count: f"{count} condition{'s' * (count > 1)}")
    return [lines.assign(exposure=words, condition=f"all {wanted}", test_perturbation=wanted).reset_index(drop=True)]


def exposure_columns(
    summary: pd.DataFrame, own: pd.DataFrame, names: Sequence[str], *, by: Sequence[str]
) -> pd.DataFrame:
    """What each group of a summary's lines has seen, in words, a column `<name>_exposure` for each of these suites and
    conditions: of a suite how many of its conditions ("3 of 9 seen"), or SEEN or FAMILY where all are; of a `condition`
    of the lines `own`, which it is. "" for nothing."""
    members = [(suite, name, round(level, _DIGITS)) for suite, tests in SUITES.items() for name, level in tests]
    tests = summary.drop_duplicates([*by, *_TEST])
    tests = tests.assign(test_level=tests["test_level"].astype(float).round(_DIGITS))
    found = tests.merge(pd.DataFrame(members, columns=["suite", *_TEST]), on=_TEST)
    found["exposure"] = found["exposure"].astype(object)  # thousands of groups of categories take far longer
    of_suites = found.groupby([*by, "suite"], sort=False)["exposure"].agg(_of_suite).unstack()
    words = own.assign(exposure=own["exposure"].replace({FAR: "", UNKNOWN: ""}))
    of_conditions = words.groupby([*by, "condition"], sort=False)["exposure"].first().unstack()
    every = pd.MultiIndex.from_frame(tests[[*by]].drop_duplicates())
    table = of_suites.reindex(every).join(of_conditions.reindex(every)).reindex(columns=[*names])
    return table.fillna("").add_suffix("_exposure")


def exposures_by_test(summary: pd.DataFrame, lines: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The exposure of each test perturbation, a column for each, for each of these lines, by what names them."""
    if not knows_exposure(summary):
        return pd.DataFrame("", lines.index, summary["test_perturbation"].unique())
    found = summary.groupby([*by, "test_perturbation"], sort=False)["exposure"].first().unstack()
    return found.fillna("").reindex(pd.MultiIndex.from_frame(lines[[*by]])).set_axis(lines.index)


def _of_suite(exposures: pd.Series) -> str:
    words = set(exposures.tolist())
    return words.pop() if words in ({SEEN}, {FAMILY}) else in_words(exposures)


def in_words(exposures: pd.Series) -> str:
    """How many of these are SEEN and FAMILY, such as "3 of 9 seen, 2 family"; "" where none is."""
    counts = {word: exposures.tolist().count(word) for word in (SEEN, FAMILY)}
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    if parts:
        number, _, rest = parts[0].partition(" ")
        parts[0] = f"{number} of {len(exposures)} {rest}"
    return ", ".join(parts)
