"""Whether a network has seen in training what it is tested under, or something of the same family."""

from collections.abc import Mapping, Sequence

import pandas as pd

from robust.measure.conditions import NATURAL, Condition
from robust.measure.suites import SUITES
from robust.perturb import operations

SEEN, FAMILY, FAR, UNKNOWN = "seen", "family", "far", "unknown"
#: what `exposure` may be of a test
EXPOSURES = (SEEN, FAMILY, FAR, UNKNOWN)
#: what a table says of its marks
LEGEND = (
    "Seen: the training contained this perturbation, at whatever level; family: another one of its family. "
    "What has no mark is far from the training, or of a network whose training is not known."
)
_TEST = ["test_perturbation", "test_level"]
_TRIAL = [*_TEST, "trial", "evaluation_seed"]
_DIGITS = 6  # of a level


def exposure(tested: Mapping[str, str], trained_on: Mapping[str, str]) -> str:
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
    known = {name: exposure(parts, trained_on) for name, parts in made_of.items()}
    return rows.assign(exposure=rows["test_perturbation"].map(known).fillna(""))


def published_exposure(corruptions: pd.Series, trained_on: Mapping[str, str]) -> pd.Series:
    """The same of the corruptions of published test sets, by their names; "" where there is none."""
    return corruptions.map(lambda name: exposure(operations(name), trained_on) if name else "")


def only_exposed(rows: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """The rows of natural images and those whose exposure is the wanted one; of the natural run that one of these is
    held against the same tests too. Raises ValueError for another exposure, and where no row has it."""
    if wanted not in EXPOSURES:
        raise ValueError(f"`exposure` must be one of {', '.join(EXPOSURES)}; got {wanted}.")
    mine = rows.get("exposure", pd.Series("", rows.index)) == wanted
    if not mine.any():
        known = " ".join(exposure for exposure in EXPOSURES if (rows.get("exposure", "") == exposure).any())
        raise ValueError(f"`exposure` must be that of some row; got {wanted}, and there are: {known or 'none'}.")
    asked = pd.MultiIndex.from_frame(rows.loc[mine, ["reference", *_TRIAL]])
    beside = pd.MultiIndex.from_frame(rows[["run", *_TRIAL]]).isin(asked)
    return rows[mine | beside | (rows["test_perturbation"] == NATURAL)].reset_index(drop=True)


def knows_exposure(table: pd.DataFrame) -> bool:
    """Whether a table of rows, or of what they come to, says for any test what its exposure is."""
    return "exposure" in table and bool(table["exposure"].isin(EXPOSURES).any())


def suite_exposure(summary: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many conditions of each suite were seen, and of how many a relative, in words ("3 of 9 seen"), "" for none: a
    line for each group of the summary's lines, a column for each suite, `<suite>_exposure`."""
    members = [(suite, name, round(level, _DIGITS)) for suite, tests in SUITES.items() for name, level in tests]
    tests = summary.drop_duplicates([*by, *_TEST])
    tests = tests.assign(test_level=tests["test_level"].astype(float).round(_DIGITS))
    found = tests.merge(pd.DataFrame(members, columns=["suite", *_TEST]), on=_TEST)
    words = found.groupby([*by, "suite"], sort=False, dropna=False)["exposure"].agg(in_words)
    return words.unstack().add_suffix("_exposure")


def in_words(exposures: pd.Series) -> str:
    """How many of these are SEEN and FAMILY, such as "3 of 9 seen, 2 family"; "" where none is."""
    counts = {word: int((exposures == word).sum()) for word in (SEEN, FAMILY)}
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    if parts:
        number, _, rest = parts[0].partition(" ")
        parts[0] = f"{number} of {len(exposures)} {rest}"
    return ", ".join(parts)


def marked(titles: pd.Series, exposures: pd.Series) -> pd.Series:
    """Titles of conditions, behind each of which stands whether it was SEEN or its FAMILY: "noise 0.05 (seen)"."""
    return titles.where(~exposures.isin((SEEN, FAMILY)), titles + " (" + exposures.astype(str) + ")")
